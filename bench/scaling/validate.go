package scaling

import (
	"errors"
	"fmt"
	"math"
)

// Validate says what cannot be analysed, and where it is, or returns nil.
func (s *Study) Validate() error {
	if len(s.Points) == 0 {
		return errors.New("a study needs at least one measured point")
	}
	if s.Cores < 0 || s.Hosts < 0 || s.GroupRanks < 0 {
		return fmt.Errorf("%d cores, %d hosts, groups of %d ranks: none may be negative, 0 means unknown or the default", s.Cores, s.Hosts, s.GroupRanks)
	}
	if !duration(s.EmulatedStepSeconds) || !duration(s.IntraHopSeconds) || !duration(s.IntraSecondsPerByte) {
		return fmt.Errorf("an emulated step of %g s, %g s per hop and %g s per byte inside a node: none may be negative or infinite",
			s.EmulatedStepSeconds, s.IntraHopSeconds, s.IntraSecondsPerByte)
	}
	if err := s.validateBuckets(); err != nil {
		return err
	}
	first := map[string]*Point{}
	seen := map[string]bool{}
	for i := range s.Points {
		p := &s.Points[i]
		where := fmt.Sprintf("point %d (%s, %d ranks)", i, p.Mode, p.Ranks)
		if err := p.validate(); err != nil {
			return fmt.Errorf("%s: %w", where, err)
		}
		if key := fmt.Sprint(p.Mode, p.Ranks); seen[key] {
			return fmt.Errorf("%s: measured twice: give each number of ranks of a mode once", where)
		} else {
			seen[key] = true
		}
		b := first[p.Mode]
		if b == nil {
			first[p.Mode] = p
			continue
		}
		if p.Mode == Strong && p.GlobalBatch != b.GlobalBatch {
			return fmt.Errorf("%s: a global batch of %d, and %d at %d ranks: strong scaling keeps it", where, p.GlobalBatch, b.GlobalBatch, b.Ranks)
		}
		if p.Mode == Weak && p.GlobalBatch*b.Ranks != b.GlobalBatch*p.Ranks {
			return fmt.Errorf("%s: %g images per rank, and %g at %d ranks: weak scaling keeps them", where, p.BatchPerRank(), b.BatchPerRank(), b.Ranks)
		}
	}
	for i, c := range s.Collectives {
		if c.Ranks < 1 || c.Bytes < 1 || !duration(c.Seconds) || c.Seconds == 0 {
			return fmt.Errorf("collective %d: %d ranks, %d bytes, %g s: all must be positive", i, c.Ranks, c.Bytes, c.Seconds)
		}
	}
	return nil
}

func (s *Study) validateBuckets() error {
	var sum int64
	for i, b := range s.Buckets {
		if b < 1 {
			return fmt.Errorf("bucket %d has %d bytes: at least one is needed", i, b)
		}
		sum += b
	}
	if s.GradientBytes < 0 || len(s.Buckets) > 0 && sum != s.GradientBytes {
		return fmt.Errorf("%d buckets of %d bytes together, and %d bytes of gradients: they must be the same", len(s.Buckets), sum, s.GradientBytes)
	}
	if n := len(s.BucketReady); n > 0 && n != len(s.Buckets) {
		return fmt.Errorf("%d buckets, and the time when %d are ready: give each, or none", len(s.Buckets), n)
	}
	last := 0.0
	for i, f := range s.BucketReady {
		if !(f > 0 && f <= 1 && f >= last) {
			return fmt.Errorf("bucket %d is ready after %g of backward: fractions must lie in (0, 1] and not fall", i, f)
		}
		last = f
	}
	return nil
}

func (p *Point) validate() error {
	switch {
	case p.Mode != Strong && p.Mode != Weak:
		return fmt.Errorf("mode %q: must be %q or %q", p.Mode, Strong, Weak)
	case p.Ranks < 1 || p.ThreadsPerRank < 1 || p.Steps < 1:
		return fmt.Errorf("%d ranks of %d threads, %d steps: at least one of each is needed", p.Ranks, p.ThreadsPerRank, p.Steps)
	case p.GlobalBatch < 1:
		return fmt.Errorf("a global batch of %d: at least one image is needed", p.GlobalBatch)
	case !duration(p.StepSeconds) || p.StepSeconds == 0 || !duration(p.ImagesPerSecond) || p.ImagesPerSecond == 0:
		return fmt.Errorf("a step of %g s, %g images/s: both must be positive", p.StepSeconds, p.ImagesPerSecond)
	case len(p.PerRank) != 0 && len(p.PerRank) != p.Ranks:
		return fmt.Errorf("a breakdown of %d ranks: give it of all, or of none", len(p.PerRank))
	}
	seen := make([]bool, p.Ranks)
	for _, r := range p.PerRank {
		if r.Rank < 0 || r.Rank >= p.Ranks || seen[r.Rank] {
			return fmt.Errorf("rank %d of the breakdown: each from 0 to %d must stand there once", r.Rank, p.Ranks-1)
		}
		seen[r.Rank] = true
		if err := r.validate(); err != nil {
			return fmt.Errorf("rank %d: %w", r.Rank, err)
		}
	}
	return nil
}

func (r *RankPoint) validate() error {
	q := r.Parts
	for _, part := range []struct {
		name    string
		seconds float64
	}{
		{"step", r.StepSeconds}, {"CPU", r.CPUSeconds}, {"data", q.Data}, {"forward", q.Forward}, {"backward", q.Backward},
		{"exposed communication", q.ExposedComm}, {"optimizer", q.Optimizer}, {"hidden communication", q.HiddenComm}, {"straggler", q.Straggler},
	} {
		if !duration(part.seconds) {
			return fmt.Errorf("%s of %g s: must be at least 0", part.name, part.seconds)
		}
	}
	// The rest of a step is a difference of sums, so rounding may take it a little below 0.
	if !duration(q.Other + 1e-3*r.StepSeconds) {
		return fmt.Errorf("other of %g s: must be at least 0", q.Other)
	}
	if q.Straggler > q.ExposedComm*(1+1e-6)+1e-9 {
		return fmt.Errorf("%g s of waiting for stragglers in %g s of exposed communication: it is a part of that", q.Straggler, q.ExposedComm)
	}
	if q.Total() <= 0 {
		return errors.New("all parts of the step are 0")
	}
	return nil
}

// duration is true of finite numbers from 0 on.
func duration(v float64) bool { return v >= 0 && !math.IsInf(v, 1) }
