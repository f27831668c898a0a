package purego

// rows is a matrix whose rows are contiguous: row i is data[i*width : (i+1)*width].
type rows struct {
	data  []float32
	width int
}

func (r rows) row(i int) []float32 { return r.data[i*r.width : (i+1)*r.width] }

// products fills an m by n matrix with the dot products of the rows of a and of b (of equal width):
// dst[i*rowStep + j*colStep] = sum over k of a[i][k]*b[j][k], added to what is there if add is set.
// Four rows of a meet two of b at a time, so that each element loaded serves several sums, which stay in registers.
func products(dst []float32, rowStep, colStep int, a, b rows, m, n int, add bool) {
	if !add {
		for i := range m {
			for j := range n {
				dst[i*rowStep+j*colStep] = 0
			}
		}
	}
	j := 0
	for ; j+2 <= n; j += 2 {
		b0, b1 := b.row(j), b.row(j+1)
		i := 0
		for ; i+4 <= m; i += 4 {
			s := dot4x2(a.row(i), a.row(i+1), a.row(i+2), a.row(i+3), b0, b1)
			at := i*rowStep + j*colStep
			for r := range 4 {
				dst[at+r*rowStep] += s[2*r]
				dst[at+r*rowStep+colStep] += s[2*r+1]
			}
		}
		for ; i < m; i++ {
			s0, s1 := dot1x2(a.row(i), b0, b1)
			dst[i*rowStep+j*colStep] += s0
			dst[i*rowStep+(j+1)*colStep] += s1
		}
	}
	if j < n {
		b0 := b.row(j)
		for i := range m {
			s0, _ := dot1x2(a.row(i), b0, b0)
			dst[i*rowStep+j*colStep] += s0
		}
	}
}

// dot4x2 returns a0·b0, a0·b1, a1·b0, ..., a3·b1. The slices are cut to one length to spare bounds checks.
func dot4x2(a0, a1, a2, a3, b0, b1 []float32) [8]float32 {
	n := len(a0)
	a1, a2, a3, b0, b1 = a1[:n], a2[:n], a3[:n], b0[:n], b1[:n]
	var s00, s01, s10, s11, s20, s21, s30, s31 float32
	for k, x := range a0 {
		y0, y1 := b0[k], b1[k]
		s00 += x * y0
		s01 += x * y1
		x1 := a1[k]
		s10 += x1 * y0
		s11 += x1 * y1
		x2 := a2[k]
		s20 += x2 * y0
		s21 += x2 * y1
		x3 := a3[k]
		s30 += x3 * y0
		s31 += x3 * y1
	}
	return [8]float32{s00, s01, s10, s11, s20, s21, s30, s31}
}

// dot1x2 returns a·b0 and a·b1.
func dot1x2(a, b0, b1 []float32) (s0, s1 float32) {
	b0, b1 = b0[:len(a)], b1[:len(a)]
	for k, x := range a {
		s0 += x * b0[k]
		s1 += x * b1[k]
	}
	return s0, s1
}

// transpose writes the m by n matrix src, n by m, to dst.
func transpose(dst, src []float32, m, n int) {
	for i := range m {
		for j, v := range src[i*n : (i+1)*n] {
			dst[j*m+i] = v
		}
	}
}
