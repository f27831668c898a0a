package purego

import "ringloom/nn"

// windowAt is the part [from, to) of a window at output position out that lies inside an axis of the given size.
func windowAt(out, stride, pad, kernel, size int) (from, to int) {
	from = out*stride - pad
	return max(from, 0), min(from+kernel, size)
}

// forWindows calls f for every sample and output place with the offset of its channels in y, and for every input
// element in its window with the offset of its channels in x.
func forWindows(p nn.Pool, place func(y int), element func(y, x int)) {
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
						element(y, ((n*p.Src.H+h)*p.Src.W+w)*c)
					}
				}
			}
		}
	}
}

// y = sum over the window / (KernelH*KernelW): padding counts as zeros.
func avgPoolForward(p nn.Pool) func(dst, src [][]float32) {
	c, share := p.Src.C, 1/float32(p.KernelH*p.KernelW)
	return func(dst, src [][]float32) {
		y, x := dst[0], src[0]
		forWindows(p,
			func(at int) { clear(y[at : at+c]) },
			func(at, from int) { addScaled(y[at:at+c], x[from:from+c], share) })
	}
}

// dx = sum over the windows that hold x of dy / (KernelH*KernelW)
func avgPoolBackward(p nn.Pool) func(dst, src [][]float32) {
	c, share := p.Src.C, 1/float32(p.KernelH*p.KernelW)
	return func(dst, src [][]float32) {
		dx, dy := dst[0], src[0]
		clear(dx)
		forWindows(p,
			func(int) {},
			func(from, at int) { addScaled(dx[at:at+c], dy[from:from+c], share) })
	}
}

// addScaled adds scale*x to dst.
func addScaled(dst, x []float32, scale float32) {
	x = x[:len(dst)]
	for i := range dst {
		dst[i] += scale * x[i]
	}
}
