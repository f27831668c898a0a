package train

import (
	"context"
	"fmt"
	"slices"

	"ringloom/nn"
)

// Memory is the large part of a State: tensors of the size of the parameters. It is on rank 0 alone, and until OnState
// returns.
type Memory struct {
	// Optimizer is what the optimizer keeps, of OptimizerKinds.
	Optimizer []OptimizerTensor `json:"-"`
	// Residuals are what each rank has yet to add to the sums of gradients, [World] [length of the parameters], where there
	// is error feedback.
	Residuals [][]float32 `json:"-"`
	// Factors are those of PowerSGD that a step starts from, one matrix after the other; they are the same on all ranks.
	Factors []float32 `json:"-"`
}

// OptimizerTensor is memory that the optimizer keeps for the parameters, in their order.
type OptimizerTensor struct {
	Kind   string // what it is of each parameter: one of OptimizerKinds
	Values []float32
}

// OptimizerKinds names what an optimizer keeps of each parameter.
func OptimizerKinds(optimizer string) []string {
	if optimizer == "sgd" {
		return []string{"velocity"}
	}
	return []string{"mean", "mean_square"}
}

// NewMemory makes room for the memory of a run of so many ranks with this configuration, all zero.
func NewMemory(c Config, world int, params *nn.Params) Memory {
	var m Memory
	for _, kind := range OptimizerKinds(c.Optimizer) {
		m.Optimizer = append(m.Optimizer, OptimizerTensor{kind, make([]float32, params.Len())})
	}
	if c.remembers() {
		for range world {
			m.Residuals = append(m.Residuals, make([]float32, params.Len()))
		}
	}
	m.Factors = make([]float32, c.factorsLen(params.List))
	return m
}

// checkMemory says how the memory does not fit the run, or nil.
func (s State) checkMemory(params *nn.Params) error {
	kinds := OptimizerKinds(s.Config.Optimizer)
	if len(s.Optimizer) != len(kinds) {
		return fmt.Errorf("a state with %d tensors of %s, which keeps %d", len(s.Optimizer), s.Config.Optimizer, len(kinds))
	}
	for i, t := range s.Optimizer {
		if t.Kind != kinds[i] || len(t.Values) != params.Len() {
			return fmt.Errorf("a state with %d elements of %s where %s keeps %d of %s", len(t.Values), t.Kind, s.Config.Optimizer, params.Len(), kinds[i])
		}
	}
	want := 0
	if s.Config.remembers() {
		want = s.WorldSize
	}
	if len(s.Residuals) != want {
		return fmt.Errorf("a state with the residuals of %d ranks where %d have some", len(s.Residuals), want)
	}
	for r, v := range s.Residuals {
		if len(v) != params.Len() {
			return fmt.Errorf("a state with %d residuals of rank %d where there are %d parameters", len(v), r, params.Len())
		}
	}
	if n := s.Config.factorsLen(params.List); len(s.Factors) != n {
		return fmt.Errorf("a state with %d elements of PowerSGD's factors where there are %d", len(s.Factors), n)
	}
	return nil
}

// scatterMemory gives every rank its part of what rank 0 resumes from. Between steps the gradients' memory is free to
// carry it: on an accelerator their mirror.
func (w *Worker) scatterMemory(ctx context.Context, s State) error {
	carry := func(values func() []float32) error {
		if w.resume != nil {
			copy(w.grads(), values())
		}
		return w.Ring.Broadcast(ctx, w.grads(), 0)
	}
	for i := range w.opt.state {
		if err := carry(func() []float32 { return w.resume.Optimizer[i].Values }); err != nil {
			return err
		}
		if err := w.opt.load(i, w.grads()); err != nil {
			return err
		}
	}
	if err := w.low.scatter(ctx, w.Ring, w.resume, s.Config, w.Config); err != nil {
		return err
	}
	if !w.remembers() || !s.Config.remembers() {
		return nil
	}
	if s.WorldSize != w.WorldSize { // what the former ranks have yet to add, rank 0 will
		if w.resume != nil {
			for _, r := range w.resume.Residuals {
				addTo(w.residual.Host, r)
			}
		}
		return nil
	}
	for rank := range w.WorldSize {
		if err := carry(func() []float32 { return w.resume.Residuals[rank] }); err != nil {
			return err
		}
		if rank == w.Rank {
			copy(w.residual.Host, w.grads())
		}
	}
	return nil
}

// gatherMemory fills in the memory of s on rank 0.
func (w *Worker) gatherMemory(ctx context.Context, s *State) (err error) {
	for i, kind := range OptimizerKinds(w.Optimizer) {
		t := OptimizerTensor{Kind: kind}
		switch {
		case w.ShardOptimizer:
			if err := w.gatherShards(ctx, i); err != nil {
				return err
			}
			if w.Rank == 0 {
				t.Values = slices.Clone(w.grads())
			}
		case w.Rank == 0:
			if t.Values, err = w.opt.kept(i); err != nil {
				return err
			}
		}
		if w.Rank == 0 {
			s.Optimizer = append(s.Optimizer, t)
		}
	}
	if w.Rank == 0 {
		s.Factors = w.low.factors()
	}
	if !w.remembers() {
		return nil
	}
	if w.Rank == 0 {
		s.Residuals = append(s.Residuals, w.residual.Host)
	}
	for rank := 1; rank < w.WorldSize; rank++ {
		if rank == w.Rank {
			copy(w.grads(), w.residual.Host)
		}
		if err := w.Ring.Broadcast(ctx, w.grads(), rank); err != nil {
			return err
		}
		if w.Rank == 0 {
			s.Residuals = append(s.Residuals, slices.Clone(w.grads()))
		}
	}
	return nil
}

// gatherShards puts one kind of the optimizer's memory, of all parameters, into the gradients' memory on every rank.
func (w *Worker) gatherShards(ctx context.Context, kind int) error {
	if err := w.opt.store(w.grads(), kind); err != nil {
		return err
	}
	for b, bk := range w.tracker.plan {
		w.gathers[b] = w.Ring.StartAllGather(w.grads()[bk.lo:bk.hi], b)
	}
	for _, p := range w.gathers {
		if err := p.Wait(ctx); err != nil {
			return err
		}
	}
	return nil
}

func addTo(dst, src []float32) {
	for i, v := range src {
		dst[i] += v
	}
}
