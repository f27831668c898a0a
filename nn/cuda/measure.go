//go:build gpu && cgo

package cuda

import "ringloom/nn/cuda/driver"

// measuredRuns is how often something is timed; once is enough for the clock of the emulator, which always says the
// same.
var measuredRuns = 5

const (
	// Work that is shorter, in milliseconds, is measured several times in a row: what it takes the host to queue it is
	// no part of it where a graph is replayed.
	shortWork  = 0.2
	mostInARow = 20
	// Of longer work, the host's part does not matter, and neither do small differences between runs.
	longWork = 3.0
	// What takes so many times as long as the best is not looked at closely.
	hopeless = 2.0
)

// measure is the least time in milliseconds of a few runs, as it takes them in a CUDA graph. It fails where run cannot
// be recorded. Of what takes much longer than best, if that is not 0, it only says about how long.
func (d *Device) measure(run func() error, best float64) (float64, error) {
	once, err := d.least(2, run)
	if err != nil || best > 0 && once > max(shortWork, hopeless*best) {
		return once, err
	}
	inARow := mostInARow
	if once*mostInARow > shortWork {
		inARow = max(1, int(shortWork/once))
	}
	graph, err := d.record(func() error {
		for range inARow {
			if err := run(); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	took := once
	if once < longWork {
		took, err = d.least(measuredRuns, func() error { return graph.Launch(d.compute) })
		took /= float64(inARow)
	}
	if destroyErr := graph.Destroy(); err == nil {
		err = destroyErr
	}
	return took, err
}

// least is the shortest of a few runs, after one that is not counted.
func (d *Device) least(runs int, run func() error) (milliseconds float64, err error) {
	for i := range runs + 1 {
		begin, err := d.Mark()
		if err == nil {
			err = run()
		}
		if err != nil {
			return 0, err
		}
		end, err := d.Mark()
		if err != nil {
			return 0, err
		}
		took, err := end.Since(begin)
		if err != nil {
			return 0, err
		}
		if ms := took.Seconds() * 1e3; i == 1 || i > 1 && ms < milliseconds {
			milliseconds = ms
		}
	}
	return milliseconds, nil
}

// record makes a graph of what queue queues. The recording must be ended even where that fails, or the stream stays
// unusable.
func (d *Device) record(queue func() error) (*driver.Graph, error) {
	if err := d.compute.BeginCapture(); err != nil {
		return nil, err
	}
	err := queue()
	graph, endErr := d.compute.EndCapture()
	if err == nil {
		return graph, endErr
	}
	if graph != nil {
		graph.Destroy()
	}
	return nil, err
}
