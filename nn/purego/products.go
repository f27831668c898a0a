package purego

// rows is a matrix whose rows are contiguous: row i is data[i*width : (i+1)*width].
type rows struct {
	data  []float32
	width int
}

func (r rows) row(i int) []float32 { return r.data[i*r.width : (i+1)*r.width] }

// addProducts adds to an m by n matrix the dot products of the rows of a and of b, which are equally wide:
// dst[i*rowStep + j*colStep] += sum over k of a[i][k]*b[j][k].
// Four rows of a meet one of b at a time: more sums than that do not stay in the registers.
func addProducts(dst []float32, rowStep, colStep int, a, b rows, m, n int) {
	i := 0
	for ; i+4 <= m; i += 4 {
		a0, a1, a2, a3 := a.row(i), a.row(i+1), a.row(i+2), a.row(i+3)
		for j := range n {
			s0, s1, s2, s3 := dot4(b.row(j), a0, a1, a2, a3)
			at := i*rowStep + j*colStep
			dst[at] += s0
			dst[at+rowStep] += s1
			dst[at+2*rowStep] += s2
			dst[at+3*rowStep] += s3
		}
	}
	for ; i < m; i++ {
		for j := range n {
			dst[i*rowStep+j*colStep] += dot(b.row(j), a.row(i))
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

// addCombination adds the rows of a, each times its coefficient: dst += sum over j of c[j]*a[j].
func addCombination(dst, c []float32, a rows) {
	j := 0
	for ; j+4 <= len(c); j += 4 {
		c0, c1, c2, c3 := c[j], c[j+1], c[j+2], c[j+3]
		n := len(dst)
		a0, a1, a2, a3 := a.row(j)[:n], a.row(j + 1)[:n], a.row(j + 2)[:n], a.row(j + 3)[:n]
		for k := range dst {
			dst[k] += c0*a0[k] + c1*a1[k] + c2*a2[k] + c3*a3[k]
		}
	}
	for ; j < len(c); j++ {
		addScaled(dst, a.row(j), c[j])
	}
}

// transpose writes the m by n matrix src, n by m, to dst.
func transpose(dst, src []float32, m, n int) {
	for i := range m {
		for j, v := range src[i*n : (i+1)*n] {
			dst[j*m+i] = v
		}
	}
}
