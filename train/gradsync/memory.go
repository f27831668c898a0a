package gradsync

import (
	"context"
	"fmt"
	"slices"

	"ringloom/nn"
	"ringloom/train/optim"
)

// Memory is what a run's gradients and updates remember from one step to the next, of the size of the parameters. It is
// whole on rank 0 alone.
type Memory struct {
	// Optimizer is what the optimizer keeps, of optim.Kinds.
	Optimizer []OptimizerTensor `json:"-"`
	// Residuals are what each rank has yet to add to the sums of gradients, [ranks] [length of the parameters], where there
	// is error feedback.
	Residuals [][]float32 `json:"-"`
	// Factors are those of PowerSGD that a step starts from, one matrix after the other; they are the same on all ranks.
	Factors []float32 `json:"-"`
}

// OptimizerTensor is memory that the optimizer keeps for the parameters, in their order.
type OptimizerTensor struct {
	Kind   string // what it is of each parameter: one of optim.Kinds
	Values []float32
}

// NewMemory makes room for the memory of a run with this configuration, all zero.
func NewMemory(c Config, params *nn.Params) Memory {
	var m Memory
	for _, kind := range optim.Kinds(c.Optimizer.Method) {
		m.Optimizer = append(m.Optimizer, OptimizerTensor{kind, make([]float32, params.Len())})
	}
	if c.remembers() {
		for range c.WorldSize {
			m.Residuals = append(m.Residuals, make([]float32, params.Len()))
		}
	}
	m.Factors = make([]float32, c.FactorsLen(params.List))
	return m
}

// Check says how the memory does not fit a run with this configuration, or nil.
func (m Memory) Check(c Config, params *nn.Params) error {
	method := c.Optimizer.Method
	kinds := optim.Kinds(method)
	if len(m.Optimizer) != len(kinds) {
		return fmt.Errorf("a state with %d tensors of %s, which keeps %d", len(m.Optimizer), method, len(kinds))
	}
	for i, t := range m.Optimizer {
		if t.Kind != kinds[i] || len(t.Values) != params.Len() {
			return fmt.Errorf("a state with %d elements of %s where %s keeps %d of %s",
				len(t.Values), t.Kind, method, params.Len(), kinds[i])
		}
	}
	want := 0
	if c.remembers() {
		want = c.WorldSize
	}
	if len(m.Residuals) != want {
		return fmt.Errorf("a state with the residuals of %d ranks where %d have some", len(m.Residuals), want)
	}
	for r, v := range m.Residuals {
		if len(v) != params.Len() {
			return fmt.Errorf("a state with %d residuals of rank %d where there are %d parameters", len(v), r, params.Len())
		}
	}
	if n := c.FactorsLen(params.List); len(m.Factors) != n {
		return fmt.Errorf("a state with %d elements of PowerSGD's factors where there are %d", len(m.Factors), n)
	}
	return nil
}

// Restore gives every rank its part of what rank 0 goes on from, which is nil on the others. was is the configuration of the
// run that left it, on all ranks. Between steps the gradients' memory is free to carry it: on an accelerator their mirror.
func (s *Sync) Restore(ctx context.Context, was Config, from *Memory) error {
	carrier := s.params.Grads.Host
	carry := func(values func() []float32) error {
		if from != nil {
			copy(carrier, values())
		}
		return s.ring.Broadcast(ctx, carrier, 0)
	}
	for i := range optim.Kinds(s.cfg.Optimizer.Method) {
		if err := carry(func() []float32 { return from.Optimizer[i].Values }); err != nil {
			return err
		}
		if err := s.opt.Load(i, carrier); err != nil {
			return err
		}
	}
	if err := s.restoreFactors(ctx, was, from); err != nil {
		return err
	}
	if !s.cfg.remembers() || !was.remembers() {
		return nil
	}
	if was.WorldSize != s.cfg.WorldSize { // what the former ranks have yet to add, rank 0 will
		if from != nil {
			total := make([]float32, s.params.Len())
			for _, r := range from.Residuals {
				addTo(total, r)
			}
			s.residuals.load(total)
		}
		return nil
	}
	for rank := range s.cfg.WorldSize {
		if err := carry(func() []float32 { return from.Residuals[rank] }); err != nil {
			return err
		}
		if rank == s.cfg.Rank {
			s.residuals.load(carrier)
		}
	}
	return nil
}

// restoreFactors gives every rank PowerSGD's factors, unless this run has factors of another rank: then they begin anew.
func (s *Sync) restoreFactors(ctx context.Context, was Config, from *Memory) error {
	if s.factors == nil || was.PowerSGD != s.cfg.PowerSGD {
		return nil
	}
	if from != nil {
		copy(s.factors.q, from.Factors)
	}
	return s.ring.Broadcast(ctx, s.factors.q, 0)
}

// Memory gathers the memory on rank 0; it is empty on the others. Some of it is the Sync's own: it stands still until the
// next step.
func (s *Sync) Memory(ctx context.Context) (m Memory, err error) {
	carrier, first := s.params.Grads.Host, s.cfg.Rank == 0
	for i, kind := range optim.Kinds(s.cfg.Optimizer.Method) {
		t := OptimizerTensor{Kind: kind}
		switch {
		case s.cfg.Shard:
			if err := s.gatherShards(ctx, i); err != nil {
				return m, err
			}
			if first {
				t.Values = slices.Clone(carrier)
			}
		case first:
			if t.Values, err = s.opt.Kept(i); err != nil {
				return m, err
			}
		}
		if first {
			m.Optimizer = append(m.Optimizer, t)
		}
	}
	if first {
		m.Factors = s.factors.factors()
	}
	if !s.cfg.remembers() {
		return m, nil
	}
	for rank := range s.cfg.WorldSize {
		if rank == s.cfg.Rank {
			s.residuals.store(carrier)
		}
		if rank > 0 { // rank 0 has its own
			if err := s.ring.Broadcast(ctx, carrier, rank); err != nil {
				return m, err
			}
		}
		if first {
			m.Residuals = append(m.Residuals, slices.Clone(carrier))
		}
	}
	return m, nil
}

// Local is what this rank alone remembers: of the optimizer's memory the regions that it owns, one after the other, and its
// own residuals.
func (s *Sync) Local() (m Memory, err error) {
	for i, kind := range optim.Kinds(s.cfg.Optimizer.Method) {
		kept, err := s.opt.Kept(i)
		if err != nil {
			return m, err
		}
		m.Optimizer = append(m.Optimizer, OptimizerTensor{kind, kept})
	}
	if s.residuals != nil {
		own := make([]float32, s.params.Len())
		s.residuals.store(own)
		m.Residuals = [][]float32{own}
	}
	m.Factors = s.factors.factors()
	return m, nil
}

// gatherShards puts one kind of the optimizer's memory, of all parameters, into the gradients' memory on every rank.
func (s *Sync) gatherShards(ctx context.Context, kind int) error {
	carrier := s.params.Grads.Host
	if err := s.opt.Store(carrier, kind); err != nil {
		return err
	}
	for b, bucket := range s.plan {
		s.gathers[b] = s.ring.StartAllGather(bucket.slice(carrier), b)
	}
	for _, p := range s.gathers {
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
