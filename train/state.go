package train

import (
	"context"
	"encoding/json"
	"fmt"

	"ringloom/allreduce"
	"ringloom/internal/float32le"
	"ringloom/nn"
	"ringloom/nn/op"
	"ringloom/train/gradsync"
)

// State is where a run stands after some step. Together with the parameters, the running moments and what the optimizer
// keeps it is all that the run needs to go on: the order of the samples, dropout, augmentation and the learning rate
// follow from Config and the number of steps.
type State struct {
	Config    Config `json:"config"`
	WorldSize int    `json:"world_size"`
	Steps     int    `json:"steps"` // done in all epochs
	Epoch     int    `json:"epoch"` // the one that the next step belongs to, from 1
	// Ranks is what each rank has of that epoch; it is empty at the epoch's beginning.
	Ranks []Partial `json:"ranks,omitempty"`
	// Moments are each rank's own running moments, [World, length of the parameters' StateValues], where StateValues
	// holds their mean.
	Moments []float32 `json:"-"`
	gradsync.Memory
}

// gradients is the configuration of the run that left the state, as a rank without a number had it.
func (s State) gradients() gradsync.Config { return s.Config.gradients(0, s.WorldSize) }

// NewMemory makes room for the memory of a run of so many ranks with this configuration, all zero.
func NewMemory(c Config, world int, params *nn.Params) gradsync.Memory {
	return gradsync.NewMemory(c.gradients(0, world), params)
}

// Partial is what one rank has of an epoch under way.
type Partial struct {
	RankEpoch RankEpoch `json:"rank_epoch"`
	Norms     norms     `json:"norms"`
}

// Resume makes Run continue from s. It is called on rank 0 alone, after its parameters and their StateValues were filled,
// on an accelerator their mirrors;
// Run gives all of it to the other ranks. s belongs to the worker from here on.
func (w *Worker) Resume(s State) error {
	if n := s.WorldSize * len(w.params.StateValues.Host); len(s.Moments) != n {
		return fmt.Errorf("a state with %d running moments where %d ranks have %d", len(s.Moments), s.WorldSize, n)
	}
	if n := len(s.Ranks); n != 0 && n != s.WorldSize {
		return fmt.Errorf("a state with the part of an epoch of %d ranks where there were %d", n, s.WorldSize)
	}
	if err := s.Check(s.gradients(), w.params); err != nil {
		return err
	}
	w.resume = &s
	return nil
}

// begin gives every rank what rank 0 starts with.
func (w *Worker) begin(ctx context.Context) error {
	var block []byte
	var err error
	if w.resume != nil {
		if block, err = json.Marshal(w.resume); err != nil {
			return err
		}
	}
	if block, err = w.Ring.BroadcastBytes(ctx, block, 0); err != nil {
		return fmt.Errorf("agreeing on where to start: %w", err)
	}
	for _, m := range []op.Buffer{w.params.Values, w.params.StateValues} {
		if len(m.Host) == 0 {
			continue
		}
		if err := w.Ring.Broadcast(ctx, m.Host, 0); err != nil {
			return fmt.Errorf("broadcasting the initial parameters: %w", err)
		}
	}
	if len(block) == 0 {
		w.hasBegun()
		return w.params.Push()
	}
	var s State
	if err := json.Unmarshal(block, &s); err != nil {
		return fmt.Errorf("the state of rank 0 cannot be read: %w", err)
	}
	if err := s.Validate(); err != nil { // it is another rank's word
		return fmt.Errorf("the state of rank 0 cannot be gone on from: %w", err)
	}
	if n := len(w.params.StateValues.Host); n > 0 {
		s.Moments = make([]float32, s.WorldSize*n)
		if w.resume != nil {
			copy(s.Moments, w.resume.Moments)
		}
		if err := w.Ring.Broadcast(ctx, s.Moments, 0); err != nil {
			return fmt.Errorf("broadcasting the running moments: %w", err)
		}
	}
	var from *gradsync.Memory
	if w.resume != nil {
		from = &w.resume.Memory
	}
	if err := w.grads.Restore(ctx, s.gradients(), from); err != nil {
		return fmt.Errorf("broadcasting the optimizer's memory: %w", err)
	}
	w.resume = nil
	w.adopt(s)
	w.hasBegun()
	return w.params.Push()
}

// hasBegun says that this rank has the run's state, and its place.
func (w *Worker) hasBegun() { w.begun, w.seat = true, seat{w.Generation, w.Rank, w.WorldSize} }

// adopt continues from s. In a world of another size each rank begins with the mean of the running moments, and rank 0
// takes over what the former ranks had of the epoch, so that its sums are still those of all samples.
func (w *Worker) adopt(s State) {
	w.steps = s.Steps
	w.ended = s.Steps - s.Steps%w.sampler.Steps()
	w.heard = s.Steps
	if s.WorldSize == w.WorldSize {
		copy(w.params.StateValues.Host, s.Moments[w.Rank*len(w.params.StateValues.Host):])
	}
	if len(s.Ranks) == 0 {
		return
	}
	if s.WorldSize == w.WorldSize {
		w.ledger.resume(w.epoch(), w.Rank, s.Ranks)
		return
	}
	first := s.Ranks[0].RankEpoch
	ranks := make([]Partial, w.WorldSize)
	for rank := range ranks {
		ranks[rank] = Partial{RankEpoch: RankEpoch{StepLoss: make([]float64, len(first.StepLoss)), LearningRate: first.LearningRate}, Norms: s.Ranks[0].Norms}
		ranks[rank].RankEpoch.Rank = rank
	}
	for _, r := range s.Ranks {
		ranks[0].RankEpoch.take(r.RankEpoch)
	}
	w.ledger.resume(w.epoch(), w.Rank, ranks)
}

// take adds another rank's part of the same steps. They took the time of the slower one.
func (e *RankEpoch) take(o RankEpoch) {
	e.Samples += o.Samples
	e.Correct += o.Correct
	e.LossSum += o.LossSum
	for i, l := range o.StepLoss {
		e.StepLoss[i] += l
	}
	if o.Total > e.Total {
		e.Timing = o.Timing
	}
}

// keepState hands the state to OnState on every rank. The parameters are on the host and the running moments shared, and the caller
// has checked that all are finite. partial is what this rank has of the epoch under way, nil at the end of one.
func (w *Worker) keepState(ctx context.Context, partial *Partial) error {
	if w.OnState == nil {
		return nil
	}
	s := State{Config: w.Config, WorldSize: w.WorldSize, Steps: w.steps, Epoch: w.steps/w.sampler.Steps() + 1}
	if partial != nil {
		var err error
		if s.Ranks, err = allreduce.AllGatherJSON(ctx, w.Ring, *partial); err != nil {
			return fmt.Errorf("gathering the state at step %d: %w", w.steps, err)
		}
	}
	if len(w.moments.own) > 0 {
		if err := w.gatherMoments(ctx, &s); err != nil {
			return err
		}
	}
	var err error
	if s.Memory, err = w.grads.Memory(ctx); err != nil {
		return fmt.Errorf("gathering the optimizer's memory at step %d: %w", w.steps, err)
	}
	return w.OnState(s)
}

// gatherMoments fills in every rank's own running moments.
func (w *Worker) gatherMoments(ctx context.Context, s *State) error {
	block := float32le.Append(nil, w.moments.own)
	blocks, err := w.Ring.AllGatherBytes(ctx, block)
	if err != nil {
		return fmt.Errorf("gathering the running moments at step %d: %w", w.steps, err)
	}
	n := len(w.moments.own)
	s.Moments = make([]float32, n*len(blocks))
	for r, b := range blocks {
		if len(b) != len(block) {
			return fmt.Errorf("%w: rank %d has %d running moments, rank %d has %d", ErrDiverged, r, len(b)/4, w.Rank, len(block)/4)
		}
		float32le.Get(s.Moments[r*n:(r+1)*n], b)
	}
	return nil
}
