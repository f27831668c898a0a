package train

import (
	"errors"
	"slices"

	"ringloom/shard"
	"ringloom/train/gradsync"
)

// What becomes of a rank that is slower than the others.
const (
	StragglersOff   = "off"   // all wait for it
	StragglersShare = "share" // it gets fewer samples of each step
	StragglersEvict = "evict" // it gets fewer, and where that is not enough the others go on without it, if they are faster so
)

// StragglerPolicies are the values of Options.Stragglers.
func StragglerPolicies() []string { return []string{StragglersOff, StragglersShare, StragglersEvict} }

const (
	// patientSteps is how many steps in a row a rank must be slow.
	patientSteps = 20
	// slowRatio is how much longer than the median a slow rank computes for each of its samples, and hopelessRatio one with whose least share
	// the others still wait.
	slowRatio, hopelessRatio = 1.5, 2.0
	// leastGain is what the others must gain without it.
	leastGain = 1.1
)

// shareSizes are the shares that there are, in quarters of an even one: few, for each batch size is a program of its own.
var shareSizes = []int{4, 3, 2}

// stragglers decides, by what all ranks tell in every step, which get fewer samples and which must go. Every rank comes to the same decision
// behind the same step.
type stragglers struct {
	policy  string
	slow    []int     // by rank, steps in a row in which it was slow
	seconds []float64 // by rank, smoothed: for a sample
	shares  []int     // by rank, of shareSizes; nil while they are even
	evicted int       // the rank that is to go, -1 for none
}

func newStragglers(policy string, world int) stragglers {
	return stragglers{policy: policy, slow: make([]int, world), seconds: make([]float64, world), evicted: -1}
}

// smoothing is the weight of the last step.
const smoothing = 0.1

// observe looks at a step, and says whether the shares have changed.
func (s *stragglers) observe(reports []gradsync.Report) (changed bool) {
	if s.policy == StragglersOff || s.policy == "" || len(reports) < 2 {
		return false
	}
	now := make([]float64, len(reports))
	for rank, r := range reports {
		if r.Compute <= 0 || r.Samples == 0 {
			return false
		}
		each := r.Compute / float64(r.Samples)
		now[rank] = each
		if s.seconds[rank] == 0 {
			s.seconds[rank] = each
		}
		s.seconds[rank] += smoothing * (each - s.seconds[rank])
	}
	median := slices.Sorted(slices.Values(now))[(len(now)-1)/2]
	for rank, each := range now {
		if each <= slowRatio*median {
			s.slow[rank] = 0
			continue
		}
		if s.slow[rank]++; s.slow[rank] < patientSteps {
			continue
		}
		s.slow[rank] = 0
		if s.lower(rank) {
			changed = true
		} else if s.policy == StragglersEvict && each > hopelessRatio*median && s.gains(rank) {
			s.evicted = rank
		}
	}
	return changed
}

// lower gives a rank the next smaller share, if there is one.
func (s *stragglers) lower(rank int) bool {
	if s.shares == nil {
		s.shares = slices.Repeat([]int{shareSizes[0]}, len(s.slow))
	}
	i := slices.Index(shareSizes, s.shares[rank])
	if i == len(shareSizes)-1 {
		return false
	}
	s.shares[rank] = shareSizes[i+1]
	return true
}

// gains says whether the others would be done sooner with the samples of a rank as well.
func (s *stragglers) gains(rank int) bool {
	total, others, now, without := 0, 0, 0.0, 0.0
	for r, share := range s.shares {
		total += share
		if r != rank {
			others += share
		}
	}
	for r, share := range s.shares {
		now = max(now, s.seconds[r]*float64(share)/float64(total))
		if r != rank {
			without = max(without, s.seconds[r]*float64(share)/float64(others))
		}
	}
	return now > leastGain*without
}

// errShares ends the training loop for a moment: the samples of the steps to come are divided anew.
var errShares = errors.New("the ranks' shares have changed")

// shareOut divides the samples of the next steps anew where a rank has turned out to be slow, and says whether it has.
func (w *Worker) shareOut() (bool, error) {
	if !w.Elastic || !w.stragglers.observe(w.reports) {
		return false, nil
	}
	var err error
	if w.sampler, err = shard.New(w.shardConfig(w.WorldSize, w.Rank)); err != nil {
		return false, err
	}
	return true, w.compileAll()
}
