package train

import "testing"

// What rank 0 sends is another rank's word: nothing in it may make a rank compute an index that is not there.
func TestStatesThatNoRunHasLeft(t *testing.T) {
	good := func() State {
		parts := []Partial{{RankEpoch: RankEpoch{StepLoss: []float64{1}}}, {RankEpoch: RankEpoch{Rank: 1, StepLoss: []float64{1}}}}
		return State{Config: DefaultConfig(), WorldSize: 2, Steps: 1, Epoch: 1, Ranks: parts}
	}
	if err := good().Validate(); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*State){
		"no rank":         func(s *State) { s.WorldSize, s.Ranks = 0, nil },
		"ranks below 0":   func(s *State) { s.WorldSize, s.Ranks = -1, nil },
		"too many ranks":  func(s *State) { s.WorldSize, s.Ranks, s.Config.GlobalBatch = 1<<62, nil, 1<<62 },
		"steps below 0":   func(s *State) { s.Steps = -1 << 62 },
		"too many steps":  func(s *State) { s.Steps = 1 << 62 },
		"too many epochs": func(s *State) { s.Config.Epochs = 1 << 62 },
		"no epoch":        func(s *State) { s.Epoch = 0 },
		"a late epoch":    func(s *State) { s.Epoch = 3 },
		"a part missing":  func(s *State) { s.Ranks = s.Ranks[:1] },
		"fewer losses":    func(s *State) { s.Ranks[1].RankEpoch.StepLoss = nil },
		"more losses":     func(s *State) { s.Ranks[1].RankEpoch.StepLoss = make([]float64, 2) },
		"another's part":  func(s *State) { s.Ranks[1].RankEpoch.Rank = 0 },
		"too many right":  func(s *State) { s.Ranks[1].RankEpoch.Correct = 1 },
		"too many norms":  func(s *State) { s.Ranks[1].Norms.N = 2 },
		"no batch":        func(s *State) { s.Config.GlobalBatch = 0 },
	} {
		s := good()
		change(&s)
		if err := s.Validate(); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
	for perEpoch, want := range map[int]bool{235: true, 2: true, 1: false} {
		if err := good().ValidateSteps(perEpoch); (err == nil) != want {
			t.Errorf("%d steps an epoch: %v", perEpoch, err)
		}
	}
}
