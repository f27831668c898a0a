package purego

import "ringloom/nn"

// patches describes how one image's windows are gathered ("im2col"). There are places = Dst.H*Dst.W windows of
// taps = Src.C*KernelH*KernelW elements, ordered as one output channel's weights are: channel, row, column. They are
// kept by tap, then place, so that the loops that matter run over the places, which are many. Images are turned from
// H, W, C to planes C, H, W first, so that neighbouring places are neighbours in memory.
type patches struct {
	nn.Conv
	places, taps int
	pixels       int // of an input plane
}

func patchesOf(c nn.Conv) patches {
	return patches{Conv: c, places: c.Dst.H * c.Dst.W, taps: c.Src.C * c.KernelH * c.KernelW, pixels: c.Src.H * c.Src.W}
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

// row returns where output row oh meets tap (c, kh, kw) in an image's planes: the input element of output column from,
// or ok false where the row hangs over the edge.
func (p patches) row(oh, c, kh, kw, from int) (in int, ok bool) {
	ih := oh*p.StrideH + kh - p.PadH
	return (c*p.Src.H+ih)*p.Src.W + from*p.StrideW + kw - p.PadW, ih >= 0 && ih < p.Src.H
}

// gather writes element (place, tap) of the planes x to dst[tap*places + place], zero where the window hangs over the
// edge.
func (p patches) gather(dst, x []float32) {
	for c := range p.Src.C {
		for kh := range p.KernelH {
			for kw := range p.KernelW {
				from, to := p.span(kw)
				for oh := range p.Dst.H {
					line := dst[:p.Dst.W]
					dst = dst[p.Dst.W:]
					in, ok := p.row(oh, c, kh, kw, from)
					if !ok {
						clear(line)
						continue
					}
					clear(line[:from])
					clear(line[to:])
					if p.StrideW == 1 {
						copy(line[from:to], x[in:])
						continue
					}
					for i := range line[from:to] {
						line[from+i] = x[in]
						in += p.StrideW
					}
				}
			}
		}
	}
}

// scatter adds src[tap*places + place] to the element of the planes dx that the window's tap lies on: gather's
// transpose.
func (p patches) scatter(dx, src []float32) {
	clear(dx)
	for c := range p.Src.C {
		for kh := range p.KernelH {
			for kw := range p.KernelW {
				from, to := p.span(kw)
				for oh := range p.Dst.H {
					line := src[:p.Dst.W]
					src = src[p.Dst.W:]
					in, ok := p.row(oh, c, kh, kw, from)
					if !ok {
						continue
					}
					for _, v := range line[from:to] {
						dx[in] += v
						in += p.StrideW
					}
				}
			}
		}
	}
}

// y[out, place] = b[out] + sum over taps of w[out, tap]*window[tap, place], then turned to NHWC.
func convForward(c nn.Conv) func(dst, src [][]float32) {
	p := patchesOf(c)
	planes, windows := make([]float32, p.pixels*c.Src.C), make([]float32, p.places*p.taps)
	byOut := make([]float32, p.places*c.Dst.C)
	return func(dst, src [][]float32) {
		x, w, b := src[0], src[1], src[2]
		for n := range c.Src.N {
			transpose(planes, image(x, c.Src, n), p.pixels, c.Src.C)
			p.gather(windows, planes)
			y := rows{byOut, p.places}
			for out := range c.Dst.C {
				fill(y.row(out), b[out])
				addCombination(y.row(out), w[out*p.taps:(out+1)*p.taps], rows{windows, p.places})
			}
			transpose(image(dst[0], c.Dst, n), byOut, c.Dst.C, p.places)
		}
	}
}

// dwindow[tap, place] = sum over out of w[out, tap]*dy[out, place], then each window's elements are added up where
// they overlap.
func convBackwardData(c nn.Conv) func(dst, src [][]float32) {
	p := patchesOf(c)
	planes, windows := make([]float32, p.pixels*c.Src.C), make([]float32, p.places*p.taps)
	dyByOut := make([]float32, p.places*c.Dst.C)
	wByTap := make([]float32, c.WeightLen())
	return func(dst, src [][]float32) {
		dy, w := src[0], src[1]
		transpose(wByTap, w, c.Dst.C, p.taps)
		for n := range c.Src.N {
			transpose(dyByOut, image(dy, c.Dst, n), p.places, c.Dst.C)
			clear(windows)
			for tap := range p.taps {
				dwindow := windows[tap*p.places : (tap+1)*p.places]
				addCombination(dwindow, wByTap[tap*c.Dst.C:(tap+1)*c.Dst.C], rows{dyByOut, p.places})
			}
			p.scatter(planes, windows)
			transpose(image(dst[0], c.Src, n), planes, c.Src.C, p.pixels)
		}
	}
}

// dw[out, tap] = sum over samples and places of dy[out, place]*window[tap, place]; db[out] = sum of dy[out, place]
func convBackwardWeights(c nn.Conv) func(dst, src [][]float32) {
	p := patchesOf(c)
	planes, windows := make([]float32, p.pixels*c.Src.C), make([]float32, p.places*p.taps)
	dyByOut := make([]float32, p.places*c.Dst.C)
	return func(dst, src [][]float32) {
		dw, db, dy, x := dst[0], dst[1], src[0], src[1]
		clear(dw)
		clear(db)
		for n := range c.Src.N {
			transpose(planes, image(x, c.Src, n), p.pixels, c.Src.C)
			p.gather(windows, planes)
			transpose(dyByOut, image(dy, c.Dst, n), p.places, c.Dst.C)
			byTap, byOut := rows{windows, p.places}, rows{dyByOut, p.places}
			addProducts(dw, 1, p.taps, byTap, byOut, p.taps, c.Dst.C)
			for out := range c.Dst.C {
				db[out] += sum(byOut.row(out))
			}
		}
	}
}

func fill(dst []float32, v float32) {
	for i := range dst {
		dst[i] = v
	}
}

func sum(v []float32) (s float32) {
	for _, x := range v {
		s += x
	}
	return s
}
