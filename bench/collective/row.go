package collective

import "slices"

// Row is one size of the sweep, the same on all ranks.
type Row struct {
	Bytes int64
	Count int64 // elements
	// OutOfPlace and InPlace are nil where the collective has no such form.
	OutOfPlace, InPlace *Timing
}

// Timing is what the iterations of one form took.
type Timing struct {
	Iterations  int
	Seconds     float64 // median over the iterations of the slowest rank's time
	MinSeconds  float64
	AlgBytes    float64 // algorithm bandwidth in bytes per second, of the median
	BusBytes    float64 // bus bandwidth in bytes per second, of the median
	WrongValues int64   // over all ranks
}

// newTiming makes a Timing of the iterations' seconds, of which there is at least one.
func newTiming(seconds []float64, op Op, bytes int64, ranks int) *Timing {
	sorted := slices.Sorted(slices.Values(seconds))
	n := len(sorted)
	t := &Timing{Iterations: n, MinSeconds: sorted[0], Seconds: (sorted[(n-1)/2] + sorted[n/2]) / 2}
	if t.Seconds > 0 {
		t.AlgBytes = float64(bytes) / t.Seconds
	}
	t.BusBytes = t.AlgBytes * op.busFactor(ranks)
	return t
}

// Summary is the end of the sweep.
type Summary struct {
	Sizes int
	// BusBytes is the mean bus bandwidth in bytes per second over all sizes and forms, as nccl-tests has it.
	BusBytes float64
	// WrongValues are those of all sizes, forms and ranks.
	WrongValues int64
}

func summarise(rows []Row) Summary {
	s := Summary{Sizes: len(rows)}
	forms := 0
	for _, r := range rows {
		for _, t := range []*Timing{r.OutOfPlace, r.InPlace} {
			if t != nil {
				forms++
				s.BusBytes += t.BusBytes
				s.WrongValues += t.WrongValues
			}
		}
	}
	s.BusBytes /= float64(forms)
	return s
}
