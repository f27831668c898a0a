package purego

import "ringloom/nn"

// patches describes how one image's windows are gathered ("im2col"). There are places = Dst.H*Dst.W windows of
// taps = Src.C*KernelH*KernelW elements, ordered as one output channel's weights are: channel, row, column.
type patches struct {
	nn.Conv
	places, taps int
}

func patchesOf(c nn.Conv) patches {
	return patches{Conv: c, places: c.Dst.H * c.Dst.W, taps: c.Src.C * c.KernelH * c.KernelW}
}

// image is the part of a batch's tensor that belongs to sample n.
func image(batch []float32, shape nn.Image, n int) []float32 {
	size := shape.H * shape.W * shape.C
	return batch[n*size : (n+1)*size]
}

// span returns the output columns [from, to) whose window's tap kw lies inside the input.
func (p patches) span(kw int) (from, to int) {
	for from < p.Dst.W && from*p.StrideW+kw < p.PadW {
		from++
	}
	to = p.Dst.W
	for to > from && (to-1)*p.StrideW+kw-p.PadW >= p.Src.W {
		to--
	}
	return from, to
}

// gather writes element (place, tap) of image x to dst[place*placeStep + tap*tapStep], zero where the window hangs
// over the edge.
func (p patches) gather(dst, x []float32, placeStep, tapStep int) {
	rowLen := p.Src.W * p.Src.C
	tap := 0
	for c := range p.Src.C {
		for kh := range p.KernelH {
			for kw := range p.KernelW {
				from, to := p.span(kw)
				for oh := range p.Dst.H {
					at := oh*p.Dst.W*placeStep + tap*tapStep
					ih := oh*p.StrideH + kh - p.PadH
					if ih < 0 || ih >= p.Src.H {
						for ow := range p.Dst.W {
							dst[at+ow*placeStep] = 0
						}
						continue
					}
					for ow := range from {
						dst[at+ow*placeStep] = 0
					}
					in := ih*rowLen + (from*p.StrideW+kw-p.PadW)*p.Src.C + c
					for ow := from; ow < to; ow++ {
						dst[at+ow*placeStep] = x[in]
						in += p.StrideW * p.Src.C
					}
					for ow := to; ow < p.Dst.W; ow++ {
						dst[at+ow*placeStep] = 0
					}
				}
				tap++
			}
		}
	}
}

// scatter adds src[place*taps + tap] to the element of image dx that the window's tap lies on: gather's transpose.
func (p patches) scatter(dx, src []float32) {
	rowLen := p.Src.W * p.Src.C
	clear(dx)
	tap := 0
	for c := range p.Src.C {
		for kh := range p.KernelH {
			for kw := range p.KernelW {
				from, to := p.span(kw)
				for oh := range p.Dst.H {
					ih := oh*p.StrideH + kh - p.PadH
					if ih < 0 || ih >= p.Src.H {
						continue
					}
					at := (oh*p.Dst.W+from)*p.taps + tap
					in := ih*rowLen + (from*p.StrideW+kw-p.PadW)*p.Src.C + c
					for ow := from; ow < to; ow++ {
						dx[in] += src[at]
						in += p.StrideW * p.Src.C
						at += p.taps
					}
				}
				tap++
			}
		}
	}
}

// y[place, out] = b[out] + window[place] · w[out]
func convForward(c nn.Conv) func(dst, src [][]float32) {
	p := patchesOf(c)
	windows := make([]float32, p.places*p.taps)
	return func(dst, src [][]float32) {
		x, w, b := src[0], rows{src[1], p.taps}, src[2]
		for n := range c.Src.N {
			p.gather(windows, image(x, c.Src, n), p.taps, 1)
			y := image(dst[0], c.Dst, n)
			for i := range p.places {
				copy(y[i*c.Dst.C:], b)
			}
			products(y, c.Dst.C, 1, rows{windows, p.taps}, w, p.places, c.Dst.C, true)
		}
	}
}

// dwindow[place, tap] = sum over out of dy[place, out]*w[out, tap], then each window's elements are added up where
// they overlap.
func convBackwardData(c nn.Conv) func(dst, src [][]float32) {
	p := patchesOf(c)
	windows := make([]float32, p.places*p.taps)
	byTap := make([]float32, c.WeightLen())
	return func(dst, src [][]float32) {
		dy, w := src[0], src[1]
		transpose(byTap, w, c.Dst.C, p.taps)
		for n := range c.Src.N {
			products(windows, p.taps, 1, rows{image(dy, c.Dst, n), c.Dst.C}, rows{byTap, c.Dst.C}, p.places, p.taps, false)
			p.scatter(image(dst[0], c.Src, n), windows)
		}
	}
}

// dw[out, tap] = sum over samples and places of dy[place, out]*window[place, tap]; db[out] = sum of dy[place, out]
func convBackwardWeights(c nn.Conv) func(dst, src [][]float32) {
	p := patchesOf(c)
	windows := make([]float32, p.places*p.taps) // by tap, then place
	dyByOut := make([]float32, p.places*c.Dst.C)
	return func(dst, src [][]float32) {
		dw, db, dy, x := dst[0], dst[1], src[0], src[1]
		clear(dw)
		clear(db)
		for n := range c.Src.N {
			p.gather(windows, image(x, c.Src, n), 1, p.places)
			transpose(dyByOut, image(dy, c.Dst, n), p.places, c.Dst.C)
			byTap, byOut := rows{windows, p.places}, rows{dyByOut, p.places}
			products(dw, 1, p.taps, byTap, byOut, p.taps, c.Dst.C, true)
			for out := range c.Dst.C {
				db[out] += sum(byOut.row(out))
			}
		}
	}
}

func sum(v []float32) (s float32) {
	for _, x := range v {
		s += x
	}
	return s
}
