package timeline

import (
	"cmp"
	"slices"
	"time"
)

// span is a stretch of a rank's time.
type span struct{ begin, end time.Duration }

func (s span) seconds() float64 { return (s.end - s.begin).Seconds() }

// before is how many seconds of s lie before a moment on rank 0's clock.
func (s span) before(r *Rank, moment int64) float64 {
	return max(0, time.Duration(min(r.at(s.end), moment)-r.at(s.begin)).Seconds())
}

type spans []span

// union is the same time in spans that do not overlap, in ascending order. It reorders s.
func (s spans) union() spans {
	slices.SortFunc(s, func(a, b span) int { return cmp.Compare(a.begin, b.begin) })
	var out spans
	for _, x := range s {
		if n := len(out); n > 0 && x.begin <= out[n-1].end {
			out[n-1].end = max(out[n-1].end, x.end)
			continue
		}
		out = append(out, x)
	}
	return out
}

// overlap is how many seconds lie in both; neither may overlap itself.
func (s spans) overlap(other spans) float64 {
	var sum time.Duration
	for _, a := range s {
		for _, b := range other {
			sum += max(0, min(a.end, b.end)-max(a.begin, b.begin))
		}
	}
	return sum.Seconds()
}
