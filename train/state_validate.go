package train

import (
	"fmt"
	"math"
)

// What a state says of itself is believed within these bounds alone: whoever has made it may want a rank to take all memory, or to
// compute an index that is not there.
const (
	maxRanks  = 1 << 20
	maxSteps  = 1 << 48
	maxEpochs = 1 << 32
)

// Validate refuses a state that no run has left, whatever the data set; tensors aside. It makes nothing.
func (s State) Validate() error {
	if s.WorldSize < 1 || s.WorldSize > maxRanks {
		return fmt.Errorf("a state of %d ranks", s.WorldSize)
	}
	if err := s.Config.Validate(s.WorldSize); err != nil {
		return err
	}
	switch {
	case s.Steps < 0 || s.Steps > maxSteps || s.Config.MaxSteps > maxSteps || s.Config.Epochs > maxEpochs:
		return fmt.Errorf("a state at step %d of %d epochs", s.Steps, s.Config.Epochs)
	case s.Epoch < 1 || s.Epoch > s.Steps+1:
		return fmt.Errorf("a state at step %d and in epoch %d", s.Steps, s.Epoch)
	case len(s.Ranks) != 0 && len(s.Ranks) != s.WorldSize:
		return fmt.Errorf("a state with the part of an epoch of %d ranks where there were %d", len(s.Ranks), s.WorldSize)
	}
	for rank, p := range s.Ranks {
		if err := p.validate(rank, len(s.Ranks[0].RankEpoch.StepLoss)); err != nil {
			return err
		}
	}
	return nil
}

// validate refuses what no rank has of an epoch after so many of its steps.
func (p Partial) validate(rank, steps int) error {
	e := p.RankEpoch
	switch {
	case e.Rank != rank:
		return fmt.Errorf("the part of rank %d is rank %d's", rank, e.Rank)
	case len(e.StepLoss) != steps:
		return fmt.Errorf("rank %d has taken %d steps of the epoch, rank 0 %d", rank, len(e.StepLoss), steps)
	case e.Samples < 0 || e.Correct < 0 || e.Correct > e.Samples || e.Samples > math.MaxInt32 || p.Norms.N < 0 || p.Norms.N > steps:
		return fmt.Errorf("rank %d has %d of %d samples right, and %d norms of %d steps", rank, e.Correct, e.Samples, p.Norms.N, steps)
	}
	return nil
}

// ValidateSteps holds the steps against the length of an epoch.
func (s State) ValidateSteps(perEpoch int) error {
	parts := 0
	if len(s.Ranks) > 0 {
		parts = len(s.Ranks[0].RankEpoch.StepLoss)
	}
	if s.Epoch != s.Steps/perEpoch+1 || parts != s.Steps%perEpoch {
		return fmt.Errorf("a state at step %d with %d steps an epoch, and in epoch %d with %d steps", s.Steps, perEpoch, s.Epoch, parts)
	}
	return nil
}
