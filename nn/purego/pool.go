package purego

import "ringloom/nn/op"

// windowAt is the part [from, to) of a window at output position out that lies inside an axis of the given size.
func windowAt(out, stride, pad, kernel, size int) (from, to int) {
	from = out*stride - pad
	return max(from, 0), min(from+kernel, size)
}

// forWindows calls place for every sample and output place with the offset of its channels in y, and then element for
// every input element in its window with the offset of its channels in x and its tap, KernelW*row + column.
func forWindows(p op.Pool, place func(y int), element func(y, x, tap int)) {
	c := p.Src.C
	for n := range p.Src.N {
		for oh := range p.Dst.H {
			h0, h1 := windowAt(oh, p.StrideH, p.PadH, p.KernelH, p.Src.H)
			for ow := range p.Dst.W {
				w0, w1 := windowAt(ow, p.StrideW, p.PadW, p.KernelW, p.Src.W)
				y := ((n*p.Dst.H+oh)*p.Dst.W + ow) * c
				place(y)
				for h := h0; h < h1; h++ {
					for w := w0; w < w1; w++ {
						tap := (h-oh*p.StrideH+p.PadH)*p.KernelW + w - ow*p.StrideW + p.PadW
						element(y, ((n*p.Src.H+h)*p.Src.W+w)*c, tap)
					}
				}
			}
		}
	}
}

// y = sum over the window / (KernelH*KernelW): padding counts as zeros.
func avgPoolForward[T element](s op.AvgPoolForward, o *operands[T]) func() {
	c, share := s.Src.C, 1/T(s.KernelH*s.KernelW)
	place := func(at int) { clear(o.dst[0][at : at+c]) }
	element := func(at, from, _ int) { addScaled(o.dst[0][at:at+c], o.src[0][from:from+c], share) }
	return func() { forWindows(s.Pool, place, element) }
}

// dx = sum over the windows that hold x of dy / (KernelH*KernelW)
func avgPoolBackward[T element](s op.AvgPoolBackward, o *operands[T]) func() {
	c, share := s.Src.C, 1/T(s.KernelH*s.KernelW)
	place := func(int) {}
	element := func(from, at, _ int) { addScaled(o.dst[0][at:at+c], o.src[0][from:from+c], share) }
	return func() {
		if !s.Accumulate {
			clear(o.dst[0])
		}
		forWindows(s.Pool, place, element)
		if s.Mask {
			mask(o.dst[0], o.mask())
		}
	}
}
