package purego

// rows is a matrix whose rows are contiguous: row i is data[i*width : (i+1)*width]. Its elements are widened before
// they are multiplied: in scalar code float64 is as fast, and what is left of a sum then is the rounding of its result.
type rows struct {
	data  []float64
	width int
}

func (r rows) row(i int) []float64 { return r.data[i*r.width : (i+1)*r.width] }

// Blocks of addProducts: so many rows of b, and 64 of a as the callers have it, stay in the second-level cache at so
// many columns, while those of four rows of a stay in the first.
const blockRows, blockColumns = 16, 1024

// addProducts adds to an m by n matrix the dot products of the rows of a and of b, which are equally wide:
// dst[i*rowStep + j*colStep] += sum over k of a[i][k]*b[j][k].
// Four rows of a meet one of b at a time: more sums than that do not stay in the registers.
func addProducts[T element](dst []T, rowStep, colStep int, a, b rows, m, n int) {
	for from := 0; from < a.width; from += blockColumns {
		to := min(from+blockColumns, a.width)
		for first := 0; first < n; first += blockRows {
			addBlock(dst, rowStep, colStep, a, b, m, first, min(first+blockRows, n), from, to)
		}
	}
}

// addBlock is addProducts for the rows of b from first up to last and the columns from up to to.
func addBlock[T element](dst []T, rowStep, colStep int, a, b rows, m, first, last, from, to int) {
	put := func(i, j int, sum float64) {
		at := i*rowStep + j*colStep
		dst[at] = T(float64(dst[at]) + sum)
	}
	i := 0
	for ; i+4 <= m; i += 4 {
		a0, a1, a2, a3 := a.row(i)[from:to], a.row(i + 1)[from:to], a.row(i + 2)[from:to], a.row(i + 3)[from:to]
		for j := first; j < last; j++ {
			s0, s1, s2, s3 := dot4(b.row(j)[from:to], a0, a1, a2, a3)
			put(i, j, s0)
			put(i+1, j, s1)
			put(i+2, j, s2)
			put(i+3, j, s3)
		}
	}
	for ; i < m; i++ {
		for j := first; j < last; j++ {
			put(i, j, dot(b.row(j)[from:to], a.row(i)[from:to]))
		}
	}
}

// dot4 returns x·a0 to x·a3. The slices are cut to one length to spare bounds checks.
func dot4(x, a0, a1, a2, a3 []float64) (s0, s1, s2, s3 float64) {
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

func dot(x, a []float64) (s float64) {
	a = a[:len(x)]
	for k, v := range x {
		s += v * a[k]
	}
	return s
}

// addScaled adds scale*x to dst.
func addScaled[D, T element](dst []D, x []T, scale T) {
	x = x[:len(dst)]
	for i := range dst {
		dst[i] += D(scale) * D(x[i])
	}
}

// widen copies src to dst, which is at least as long.
func widen[T element](dst []float64, src []T) {
	dst = dst[:len(src)]
	for i, v := range src {
		dst[i] = float64(v)
	}
}

// transpose writes the m by n matrix src, n by m, to dst.
func transpose[T element](dst []float64, src []T, m, n int) {
	const side = 16 // of squares that stay in the first-level cache
	for i0 := 0; i0 < m; i0 += side {
		for j0 := 0; j0 < n; j0 += side {
			for i := i0; i < min(i0+side, m); i++ {
				for j, v := range src[i*n+j0 : i*n+min(j0+side, n)] {
					dst[(j0+j)*m+i] = float64(v)
				}
			}
		}
	}
}
