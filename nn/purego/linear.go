package purego

import "ringloom/nn"

// toCHW reorders each sample's elements from H, W, C to C, H, W.
func toCHW(dst, src []float32, shape nn.Image) {
	for n := range shape.N {
		transpose(image(dst, shape, n), image(src, shape, n), shape.H*shape.W, shape.C)
	}
}

// toHWC is the inverse of toCHW.
func toHWC(dst, src []float32, shape nn.Image) {
	for n := range shape.N {
		transpose(image(dst, shape, n), image(src, shape, n), shape.C, shape.H*shape.W)
	}
}

// y[n, out] = b[out] + x[n] · w[out]
func linearForward(l nn.Linear) func(dst, src [][]float32) {
	in, batch := l.In(), l.Src.N
	flat := make([]float32, l.Src.Len())
	return func(dst, src [][]float32) {
		y, x, w, b := dst[0], src[0], src[1], src[2]
		toCHW(flat, x, l.Src)
		for n := range batch {
			copy(y[n*l.Out:], b)
		}
		addProducts(y, l.Out, 1, rows{flat, in}, rows{w, in}, batch, l.Out)
	}
}

// dx[n, in] = sum over out of dy[n, out]*w[out, in]
func linearBackwardData(l nn.Linear) func(dst, src [][]float32) {
	in, batch := l.In(), l.Src.N
	flat := make([]float32, l.Src.Len())
	byIn := make([]float32, in*l.Out)
	return func(dst, src [][]float32) {
		dy, w := src[0], src[1]
		transpose(byIn, w, l.Out, in)
		clear(flat)
		addProducts(flat, in, 1, rows{dy, l.Out}, rows{byIn, l.Out}, batch, in)
		toHWC(dst[0], flat, l.Src)
	}
}

// dw[out, in] = sum over n of dy[n, out]*x[n, in]; db[out] = sum over n of dy[n, out]
func linearBackwardWeights(l nn.Linear) func(dst, src [][]float32) {
	in, batch := l.In(), l.Src.N
	flat := make([]float32, l.Src.Len())
	byIn := make([]float32, l.Src.Len())
	byOut := make([]float32, batch*l.Out)
	return func(dst, src [][]float32) {
		dw, db, dy, x := dst[0], dst[1], src[0], src[1]
		toCHW(flat, x, l.Src)
		transpose(byIn, flat, batch, in)
		transpose(byOut, dy, batch, l.Out)
		clear(dw)
		addProducts(dw, in, 1, rows{byOut, batch}, rows{byIn, batch}, l.Out, in)
		for out := range l.Out {
			db[out] = sum(byOut[out*batch : (out+1)*batch])
		}
	}
}
