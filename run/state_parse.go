package run

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"

	"ringloom/train"
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
	if len(ranks.Ranks) == 0 || string(ranks.Ranks) == "null" {
		return nil
	}
	list := json.NewDecoder(bytes.NewReader(ranks.Ranks))
	if open, err := list.Token(); err != nil || open != json.Delim('[') {
		return errors.New("the ranks are no list")
	}
	for list.More() {
		if len(s.Ranks) >= s.WorldSize {
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
	if err := s.Validate(); err != nil {
		return err
	}
	if err := s.Config.ValidateModel(info.Params); err != nil {
		return err
	}
	switch {
	case r.meta.Step != s.Steps || r.meta.Epoch < 0 || r.meta.Epoch > s.Epoch:
		return fmt.Errorf("a state at step %d and in epoch %d, and of step %d after epoch %d", s.Steps, s.Epoch, r.meta.Step, r.meta.Epoch)
	case r.meta.Model != s.Config.Model:
		return fmt.Errorf("a state of %q and of %q", r.meta.Model, s.Config.Model)
	case !fraction(r.meta.TestAccuracy) || s.Best != -1 && !fraction(s.Best):
		return fmt.Errorf("a state with accuracies of %v and %v", r.meta.TestAccuracy, s.Best)
	}
	return fitsInfo(s.Config.Model, info, r.meta, r.model)
}

func fraction(x float64) bool { return x >= 0 && x <= 1 }
