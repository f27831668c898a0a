package purego

import "ringloom/nn"

// Linear layers are cut into tasks of so many outputs, or of so many inputs.
const linearOutputs, linearInputs = 32, 512

// image is the part of a batch's tensor that belongs to sample n.
func image(batch []float32, shape nn.Image, n int) []float32 {
	size := shape.H * shape.W * shape.C
	return batch[n*size : (n+1)*size]
}

// toCHW reorders each sample's elements from H, W, C to C, H, W.
func toCHW(dst, src []float32, shape nn.Image) {
	for n := range shape.N {
		transpose(image(dst, shape, n), shape.H*shape.W, image(src, shape, n), shape.H*shape.W, shape.C)
	}
}

// toHWC is the inverse of toCHW.
func toHWC(dst, src []float32, shape nn.Image) {
	for n := range shape.N {
		transpose(image(dst, shape, n), shape.C, image(src, shape, n), shape.C, shape.H*shape.W)
	}
}

// y[n, out] = b[out] + x[n]·w[out]
func linearForward(d *Device, s nn.LinearForward, o *operands) func() {
	in, batch := s.In(), s.Src.N
	d.scratch.reserve(s.Src.Len())
	var flat []float32
	work := func(_, task int) {
		from := task * linearOutputs
		to := min(from+linearOutputs, s.Out)
		addProducts(o.dst[0][from:], 1, s.Out, rows{o.src[1][from*in:], in}, rows{flat, in}, to-from, batch)
	}
	return func() {
		y, memory := o.dst[0], d.scratch.cut()
		flat = memory.next(s.Src.Len())
		toCHW(flat, o.src[0], s.Src)
		for n := range batch {
			copy(y[n*s.Out:], o.src[2])
		}
		d.crew.do((s.Out+linearOutputs-1)/linearOutputs, work)
		if s.ReLU {
			relu(y)
		}
	}
}

// dx[n, in] = sum over out of dy[n, out]*w[out, in]
func linearBackwardData(d *Device, s nn.LinearBackwardData, o *operands) func() {
	in, batch := s.In(), s.Src.N
	d.scratch.reserve(2 * s.Src.Len())
	var flat []float32
	work := func(_, task int) {
		from := task * linearInputs
		to := min(from+linearInputs, in)
		for n := range batch {
			dx := flat[n*in+from : n*in+to]
			clear(dx)
			addCombination(dx, o.src[0][n*s.Out:], 1, rows{o.src[1], in}, s.Out, from, to)
		}
	}
	return func() {
		dx, memory := o.dst[0], d.scratch.cut()
		flat = memory.next(s.Src.Len())
		d.crew.do((in+linearInputs-1)/linearInputs, work)
		if s.Accumulate {
			result := memory.next(s.Src.Len())
			toHWC(result, flat, s.Src)
			addScaled(dx, result, 1)
		} else {
			toHWC(dx, flat, s.Src)
		}
		if s.Mask {
			mask(dx, o.mask())
		}
	}
}

// dw[out, in] = sum over n of dy[n, out]*x[n, in]; db[out] = sum over n of dy[n, out]
func linearBackwardWeights(d *Device, s nn.LinearBackwardWeights, o *operands) func() {
	in, batch := s.In(), s.Src.N
	d.scratch.reserve(s.Src.Len())
	sums := make([]float64, s.Out)
	var flat []float32
	work := func(_, task int) {
		for out := task * linearOutputs; out < min((task+1)*linearOutputs, s.Out); out++ {
			dw := o.dst[0][out*in : (out+1)*in]
			clear(dw)
			addCombination(dw, o.src[0][out:], s.Out, rows{flat, in}, batch, 0, in)
		}
	}
	return func() {
		memory := d.scratch.cut()
		flat = memory.next(s.Src.Len())
		toCHW(flat, o.src[1], s.Src)
		d.crew.do((s.Out+linearOutputs-1)/linearOutputs, work)
		columnSums(sums, o.src[0], s.Out)
		for out, v := range sums {
			o.dst[1][out] = float32(v)
		}
	}
}
