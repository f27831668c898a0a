package purego

// rows is a matrix whose rows are contiguous: row i is data[i*width : (i+1)*width].
type rows struct {
	data  []float32
	width int
}

func (r rows) row(i int) []float32 { return r.data[i*r.width : (i+1)*r.width] }

// productBlock is how many columns addProducts sums at a time: four rows of them stay in the first-level cache, and
// partial sums of no more than these keep the rounding small.
const productBlock = 1024

// addProducts adds to an m by n matrix the dot products of the rows of a and of b, which are equally wide:
// dst[i*rowStep + j*colStep] += sum over k of a[i][k]*b[j][k].
// Four rows of a meet one of b at a time: more sums than that do not stay in the registers.
func addProducts(dst []float32, rowStep, colStep int, a, b rows, m, n int) {
	for from := 0; from < a.width; from += productBlock {
		to := min(from+productBlock, a.width)
		i := 0
		for ; i+4 <= m; i += 4 {
			a0, a1, a2, a3 := a.row(i)[from:to], a.row(i + 1)[from:to], a.row(i + 2)[from:to], a.row(i + 3)[from:to]
			for j := range n {
				s0, s1, s2, s3 := dot4(b.row(j)[from:to], a0, a1, a2, a3)
				at := i*rowStep + j*colStep
				dst[at] += s0
				dst[at+rowStep] += s1
				dst[at+2*rowStep] += s2
				dst[at+3*rowStep] += s3
			}
		}
		for ; i < m; i++ {
			for j := range n {
				dst[i*rowStep+j*colStep] += dot(b.row(j)[from:to], a.row(i)[from:to])
			}
		}
	}
}

// dot4 returns x·a0 to x·a3. The slices are cut to one length to spare bounds checks.
func dot4(x, a0, a1, a2, a3 []float32) (s0, s1, s2, s3 float32) {
	n := len(x)
	a0, a1, a2, a3 = a0[:n], a1[:n], a2[:n], a3[:n]
	for k, v := range x {
		s0 += v * a0[k]
		s1 += v * a1[k]
		s2 += v * a2[k]
		s3 += v * a3[k]
	}
	return s0, s1, s2, s3
}

func dot(x, a []float32) (s float32) {
	a = a[:len(x)]
	for k, v := range x {
		s += v * a[k]
	}
	return s
}

// addCombination adds columns from to to of the rows of a, each times its coefficient:
// dst[k] += sum over j of c[j*step]*a[j][from+k].
func addCombination(dst, c []float32, step int, a rows, count, from, to int) {
	j := 0
	for ; j+4 <= count; j += 4 {
		c0, c1, c2, c3 := c[j*step], c[(j+1)*step], c[(j+2)*step], c[(j+3)*step]
		n := len(dst)
		a0, a1 := a.row(j)[from:to][:n], a.row(j + 1)[from:to][:n]
		a2, a3 := a.row(j + 2)[from:to][:n], a.row(j + 3)[from:to][:n]
		for k := range dst {
			dst[k] += c0*a0[k] + c1*a1[k] + c2*a2[k] + c3*a3[k]
		}
	}
	for ; j < count; j++ {
		addScaled(dst, a.row(j)[from:to], c[j*step])
	}
}

// addScaled adds scale*x to dst.
func addScaled(dst, x []float32, scale float32) {
	x = x[:len(dst)]
	for i := range dst {
		dst[i] += scale * x[i]
	}
}

// transpose writes the m by n matrix src, n by m, to dst, whose rows are step apart.
func transpose(dst []float32, step int, src []float32, m, n int) {
	const side = 16 // of squares that stay in the first-level cache
	for i0 := 0; i0 < m; i0 += side {
		for j0 := 0; j0 < n; j0 += side {
			for i := i0; i < min(i0+side, m); i++ {
				for j, v := range src[i*n+j0 : i*n+min(j0+side, n)] {
					dst[(j0+j)*step+i] = v
				}
			}
		}
	}
}
