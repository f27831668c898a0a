package scaling

import (
	"cmp"
	"slices"
)

// Scaling is a point beside the base of its mode, which is the one with the fewest ranks.
type Scaling struct {
	Point
	BaseRanks int
	// Speedup is images/s over the base's, times the base's ranks: the base counts as perfect.
	Speedup float64
	// Efficiency is images/s per rank over the base's. For weak scaling that is the base's step time over this one's;
	// for strong scaling the speed-up over the ranks. Both are one formula, and 1 is perfect.
	Efficiency float64
}

// scale orders the points by mode, strong first, and ranks, and compares each with its base.
func scale(points []Point) []Scaling {
	sorted := slices.Clone(points)
	slices.SortStableFunc(sorted, func(a, b Point) int {
		return cmp.Or(cmp.Compare(a.Mode, b.Mode), cmp.Compare(a.Ranks, b.Ranks))
	})
	var out []Scaling
	var base Point
	for i, p := range sorted {
		if i == 0 || p.Mode != base.Mode {
			base = p
		}
		speedup := p.ImagesPerSecond / base.ImagesPerSecond * float64(base.Ranks)
		out = append(out, Scaling{Point: p, BaseRanks: base.Ranks, Speedup: speedup, Efficiency: speedup / float64(p.Ranks)})
	}
	return out
}

// ofMode is the points of one mode, by ranks.
func ofMode(scaling []Scaling, mode string) []Scaling {
	var out []Scaling
	for _, s := range scaling {
		if s.Mode == mode {
			out = append(out, s)
		}
	}
	return out
}

// sameWork is the point with the fewest ranks whose ranks have this one's batch and threads, in either mode; nil where
// there is none with fewer ranks. Compared with it, a rank's forward and backward show what the ranks take from each
// other.
func sameWork(scaling []Scaling, p *Point) *Point {
	var best *Point
	for i := range scaling {
		q := &scaling[i].Point
		same := q.GlobalBatch*p.Ranks == p.GlobalBatch*q.Ranks && q.ThreadsPerRank == p.ThreadsPerRank
		if same && len(q.PerRank) > 0 && q.Ranks < p.Ranks && (best == nil || q.Ranks < best.Ranks) {
			best = q
		}
	}
	return best
}
