package purego

import "ringloom/nn/op"

// tileOf is how many of a number of places, or taps, a task takes: a multiple of 4, as addProducts likes, small enough
// for every worker to get several tasks and for their windows to stay in the second-level cache.
func tileOf(places, workers int) int {
	const smallest, largest = 8, 64
	return min(max((places/(4*workers)+3)&^3, smallest), largest)
}

// convProducts multiplies the windows of an image with rows of weights: sums[place, i] = window[place]·weights[i]. A
// task takes a tile of places.
type convProducts[T element] struct {
	windows[T]
	device  *Device
	tile    int
	weights func(dst []float64, w []T)      // rearranges the weights as the rows to multiply with
	results op.Image                        // its C are the rows of weights
	put     func(place int, sums []float64) // takes the sums of a place, one for each row of weights

	x       []T
	byTap   []float64   // the rearranged weights
	gathers [][]float64 // windows, of each worker
	sums    [][]float64 // of each worker
}

// compile returns the function that runs it on x and w.
func (p *convProducts[T]) compile(c op.Conv) func(x, w []T) {
	d := p.device
	workers := d.crew.size()
	p.tile = tileOf(p.count(), workers)
	p.gathers, p.sums = make([][]float64, workers), make([][]float64, workers)
	d.scratch.reserve(c.WeightLen() + workers*p.tile*(p.taps()+p.results.C))
	tasks, work := (p.count()+p.tile-1)/p.tile, p.work
	return func(x, w []T) {
		memory := d.scratch.cut()
		p.byTap = memory.next(c.WeightLen())
		for i := range workers {
			p.gathers[i], p.sums[i] = memory.next(p.tile*p.taps()), memory.next(p.tile*p.results.C)
		}
		p.weights(p.byTap, w)
		p.x = x
		d.crew.do(tasks, work)
		p.x = nil
	}
}

func (p *convProducts[T]) work(worker, task int) {
	from := task * p.tile
	to := min(from+p.tile, p.count())
	gathered, sums := rows{p.gathers[worker], p.taps()}, rows{p.sums[worker], p.results.C}
	p.rows(gathered.data, p.x, from, to)
	clear(sums.data)
	addProducts(sums.data, sums.width, 1, gathered, rows{p.byTap, p.taps()}, to-from, sums.width)
	for place := from; place < to; place++ {
		p.put(place, sums.row(place-from))
	}
}

// y[place, out] = b[out] + x's window[place]·w[out]
func convForward[T element](d *Device, s op.ConvForward, o *operands[T]) func() {
	pitch, window := s.Dst.PixelPitch(), s.KernelH*s.KernelW
	p := &convProducts[T]{device: d, windows: forwardWindows[T](s.Conv), results: s.Dst}
	p.weights = func(dst []float64, w []T) { // from out, channel, tap to out, tap, channel
		size := s.Src.C * window
		for out := range s.Dst.C {
			transpose(dst[out*size:], w[out*size:(out+1)*size], s.Src.C, window)
		}
	}
	p.put = func(place int, sums []float64) {
		y := o.dst[0][place*pitch:][:s.Dst.C]
		for out, sum := range sums {
			if !s.NoBias {
				sum += float64(o.src[2][out])
			}
			y[out] = T(sum)
		}
		if s.ReLU {
			relu(y)
		}
	}
	run := p.compile(s.Conv)
	return func() { run(o.src[0], o.src[1]) }
}

// dx[pixel, channel] = dy's window[pixel]·w[channel]
func convBackwardData[T element](d *Device, s op.ConvBackwardData, o *operands[T]) func() {
	window, channels := s.KernelH*s.KernelW, s.Src.C
	p := &convProducts[T]{device: d, windows: backwardWindows[T](s.Conv), results: s.Src}
	p.weights = func(dst []float64, w []T) { // from out, channel, tap to channel, tap, out
		transpose(dst, w, s.Dst.C, channels*window)
	}
	p.put = func(place int, sums []float64) {
		from, to := place*channels, (place+1)*channels
		dx := o.dst[0][from:to]
		for c, sum := range sums {
			if s.Accumulate {
				sum += float64(dx[c])
			}
			dx[c] = T(sum)
		}
		if s.Mask {
			mask(dx, o.mask()[from:to])
		}
	}
	run := p.compile(s.Conv)
	return func() { run(o.src[0], o.src[1]) }
}

// panelElements bounds the windows that convBackwardWeights holds at a time (16 MiB), and panelPlaces their number, and
// so the length of its partial sums. Neither depends on the number of workers, for they decide the order of the sums.
const panelElements, panelPlaces = 1 << 21, 1024

// dw[out, tap] = sum over places of dy[place, out]*window[place, tap]; db[out] = sum over places of dy[place, out].
// Both are turned first, so that places are neighbours in memory.
func convBackwardWeights[T element](d *Device, s op.ConvBackwardWeights, o *operands[T]) func() {
	win := forwardWindows[T](s.Conv)
	taps, places, pitch, window := win.taps(), win.count(), s.Dst.PixelPitch(), s.KernelH*s.KernelW
	panel := max(min(panelElements/taps, panelPlaces, places), 1)
	const tile = 32
	workers := d.crew.size()
	tapTile := tileOf(taps, workers)
	d.scratch.reserve(panel*(taps+s.Dst.C) + workers*tile*taps)

	var first, last int // the panel's places
	var windowsByTap, dyByOut []float64
	gathers := make([][]float64, workers)
	turn := func(worker, task int) {
		from := first + task*tile
		to := min(from+tile, last)
		win.rows(gathers[worker], o.src[1], from, to)
		for place := from; place < to; place++ {
			row := gathers[worker][(place-from)*taps:]
			for t := range window { // tap, channel becomes channel, tap as in the weights
				for c, v := range row[t*s.Src.C : (t+1)*s.Src.C] {
					windowsByTap[(c*window+t)*panel+place-first] = v
				}
			}
			for out, v := range o.src[0][place*pitch:][:s.Dst.C] {
				dyByOut[out*panel+place-first] = float64(v)
			}
		}
	}
	multiply := func(_, task int) {
		from := task * tapTile
		a := rows{windowsByTap[from*panel:], panel}
		addProducts(o.dst[0][from:], 1, taps, a, rows{dyByOut, panel}, min(tapTile, taps-from), s.Dst.C)
	}
	sums := make([]float64, s.Dst.C)
	return func() {
		memory := d.scratch.cut()
		windowsByTap, dyByOut = memory.next(panel*taps), memory.next(panel*s.Dst.C)
		for i := range gathers {
			gathers[i] = memory.next(tile * taps)
		}
		clear(o.dst[0])
		for first = 0; first < places; first = last {
			last = min(first+panel, places)
			if last-first < panel { // the places that are missing from the last panel count as zeros
				clear(windowsByTap)
				clear(dyByOut)
			}
			d.crew.do((last-first+tile-1)/tile, turn)
			d.crew.do((taps+tapTile-1)/tapTile, multiply)
		}
		if !s.NoBias {
			columnSums(sums, o.src[0], pitch)
			for out, v := range sums {
				o.dst[1][out] = T(v)
			}
		}
	}
}

// columnSums sums the columns of a matrix whose rows are pitch apart.
func columnSums[T element](sums []float64, m []T, pitch int) {
	clear(sums)
	for at := 0; at < len(m); at += pitch {
		for i, v := range m[at : at+len(sums)] {
			sums[i] += float64(v)
		}
	}
}
