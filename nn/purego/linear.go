package purego

import "ringloom/nn/op"

// Linear layers are cut into tasks of so many outputs, or of so many inputs.
const linearOutputs, linearInputs = 16, 512

// flatten widens a batch of images to a matrix, each row in the order C, H, W.
func flatten[T element](dst []float64, src []T, shape op.Image) rows {
	in := shape.H * shape.W * shape.C
	for n := range shape.N {
		transpose(dst[n*in:], src[n*in:(n+1)*in], shape.H*shape.W, shape.C)
	}
	return rows{dst, in}
}

// unflatten returns where element in of a flattened image lies in the image.
func unflatten(shape op.Image, in int) int {
	pixels := shape.H * shape.W
	return in%pixels*shape.C + in/pixels
}

// y[n, out] = b[out] + x[n]·w[out]
func linearForward[T element](d *Device, s op.LinearForward, o *operands[T]) func() {
	in, batch := s.In(), s.Src.N
	const tile = 4 // rows of weights that are widened at a time
	workers := d.crew.size()
	d.scratch.reserve(s.Src.Len() + workers*tile*(in+batch))
	var x rows
	weights, sums := make([][]float64, workers), make([][]float64, workers)
	work := func(worker, task int) {
		end := min((task+1)*linearOutputs, s.Out)
		for from := task * linearOutputs; from < end; from += tile {
			to := min(from+tile, end)
			products := rows{sums[worker], batch}
			clear(products.data)
			widen(weights[worker], o.src[1][from*in:to*in])
			addProducts(products.data, batch, 1, rows{weights[worker], in}, x, to-from, batch)
			for out := from; out < to; out++ {
				for n, sum := range products.row(out - from) {
					o.dst[0][n*s.Out+out] = T(sum + float64(o.src[2][out]))
				}
			}
		}
	}
	return func() {
		memory := d.scratch.cut()
		x = flatten(memory.next(s.Src.Len()), o.src[0], s.Src)
		for i := range workers {
			weights[i], sums[i] = memory.next(tile*in), memory.next(tile*batch)
		}
		d.crew.do((s.Out+linearOutputs-1)/linearOutputs, work)
		if s.ReLU {
			relu(o.dst[0])
		}
	}
}

// dx[n, in] = sum over out of dy[n, out]*w[out, in]
func linearBackwardData[T element](d *Device, s op.LinearBackwardData, o *operands[T]) func() {
	in, batch := s.In(), s.Src.N
	d.scratch.reserve(s.Src.Len())
	var sums []float64
	work := func(_, task int) {
		from := task * linearInputs
		to := min(from+linearInputs, in)
		for n := range batch {
			clear(sums[n*in+from : n*in+to])
		}
		for out := range s.Out {
			w := o.src[1][out*in+from : out*in+to]
			for n := range batch {
				addScaled(sums[n*in+from:n*in+to], w, o.src[0][n*s.Out+out])
			}
		}
		for n := range batch {
			for i := from; i < to; i++ {
				dx := &o.dst[0][n*in+unflatten(s.Src, i)]
				if !s.Accumulate {
					*dx = 0
				}
				*dx = T(float64(*dx) + sums[n*in+i])
			}
		}
	}
	return func() {
		memory := d.scratch.cut()
		sums = memory.next(s.Src.Len())
		d.crew.do((in+linearInputs-1)/linearInputs, work)
		if s.Mask {
			mask(o.dst[0], o.mask())
		}
	}
}

// dw[out, in] = sum over n of dy[n, out]*x[n, in]; db[out] = sum over n of dy[n, out]
func linearBackwardWeights[T element](d *Device, s op.LinearBackwardWeights, o *operands[T]) func() {
	in, batch := s.In(), s.Src.N
	d.scratch.reserve(s.Src.Len())
	sums := make([]float64, s.Out)
	var x rows
	work := func(_, task int) {
		for out := task * linearOutputs; out < min((task+1)*linearOutputs, s.Out); out++ {
			dw := o.dst[0][out*in : (out+1)*in]
			clear(dw)
			for n := range batch {
				dy := float64(o.src[0][n*s.Out+out])
				if dy == 0 { // as behind a ReLU, half of them
					continue
				}
				for i, v := range x.row(n) {
					dw[i] = T(float64(dw[i]) + dy*v)
				}
			}
		}
	}
	return func() {
		memory := d.scratch.cut()
		x = flatten(memory.next(s.Src.Len()), o.src[1], s.Src)
		d.crew.do((s.Out+linearOutputs-1)/linearOutputs, work)
		columnSums(sums, o.src[0], s.Out)
		for out, v := range sums {
			o.dst[1][out] = T(v)
		}
	}
}
