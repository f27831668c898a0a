package run

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"

	"ringloom/train"
)

// What a state's file says is believed within these bounds alone: whoever has made it may want this process to take all memory, or to
// compute an index that is not there.
const (
	maxRanks  = 1 << 20
	maxSteps  = 1 << 48
	maxEpochs = 1 << 32
)

// parse reads what writeState has put into the metadata, with the default of each setting that is younger than the file. It makes
// no more than the text is long, for the parts of ranks are read one by one.
func (s *runState) parse(text []byte) error {
	s.Config = train.DefaultConfig()
	var ranks struct {
		*runState
		Ranks json.RawMessage `json:"ranks"`
	}
	ranks.runState = s
	if err := json.Unmarshal(text, &ranks); err != nil {
		return err
	}
	if s.WorldSize < 1 || s.WorldSize > maxRanks {
		return fmt.Errorf("it is of %d ranks", s.WorldSize)
	}
	if len(ranks.Ranks) == 0 || string(ranks.Ranks) == "null" {
		return nil
	}
	list := json.NewDecoder(bytes.NewReader(ranks.Ranks))
	if open, err := list.Token(); err != nil || open != json.Delim('[') {
		return errors.New("the ranks are no list")
	}
	for list.More() {
		if len(s.Ranks) == s.WorldSize {
			return fmt.Errorf("it has the parts of more than %d ranks", s.WorldSize)
		}
		var p train.Partial
		if err := list.Decode(&p); err != nil {
			return err
		}
		s.Ranks = append(s.Ranks, p)
	}
	return nil
}

// validate refuses a state that no run has left, whatever the data set.
func (r *Resumption) validate() error {
	s := &r.run
	_, info, err := lookUp(s.Config.Model)
	if err != nil {
		return err
	}
	if err := s.Config.Validate(s.WorldSize); err != nil {
		return err
	}
	if err := s.Config.ValidateModel(info.Params); err != nil {
		return err
	}
	switch {
	case s.Steps < 0 || s.Steps > maxSteps || s.Config.MaxSteps > maxSteps || s.Config.Epochs > maxEpochs:
		return fmt.Errorf("it is at step %d of %d epochs", s.Steps, s.Config.Epochs)
	case s.Epoch < 1 || s.Epoch > s.Steps+1:
		return fmt.Errorf("it is at step %d and in epoch %d", s.Steps, s.Epoch)
	case r.meta.Step != s.Steps || r.meta.Epoch < 0 || r.meta.Epoch > s.Epoch:
		return fmt.Errorf("it is at step %d and in epoch %d, and of step %d after epoch %d", s.Steps, s.Epoch, r.meta.Step, r.meta.Epoch)
	case r.meta.Model != s.Config.Model:
		return fmt.Errorf("it is of %q and of %q", r.meta.Model, s.Config.Model)
	case !fraction(r.meta.TestAccuracy) || s.Best != -1 && !fraction(s.Best):
		return fmt.Errorf("its accuracies are %v and %v", r.meta.TestAccuracy, s.Best)
	case len(s.Ranks) != 0 && len(s.Ranks) != s.WorldSize:
		return fmt.Errorf("it has the parts of an epoch of %d ranks where there were %d", len(s.Ranks), s.WorldSize)
	}
	if err := fitsInfo(s.Config.Model, info, r.meta, r.model); err != nil {
		return err
	}
	for rank, p := range s.Ranks {
		if err := validatePart(p, rank, len(s.Ranks[0].RankEpoch.StepLoss)); err != nil {
			return err
		}
	}
	return nil
}

// validatePart refuses what no rank has of an epoch after so many of its steps.
func validatePart(p train.Partial, rank, steps int) error {
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

// validateSteps holds the steps against the length of an epoch.
func (r *Resumption) validateSteps(perEpoch int) error {
	s := &r.run
	within := s.Steps % perEpoch
	parts := 0
	if len(s.Ranks) > 0 {
		parts = len(s.Ranks[0].RankEpoch.StepLoss)
	}
	if s.Epoch != s.Steps/perEpoch+1 || parts != within {
		return fmt.Errorf("it is at step %d with %d steps an epoch, and in epoch %d with %d steps", s.Steps, perEpoch, s.Epoch, parts)
	}
	return nil
}

func fraction(x float64) bool { return x >= 0 && x <= 1 }
