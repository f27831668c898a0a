package gradsync

import (
	"ringloom/allreduce"
	"ringloom/nn"
	"ringloom/nn/op"
	"ringloom/train/optim"
)

// Sync takes the gradients of one rank's steps to the other ranks and applies the sums. Create one with New.
type Sync struct {
	cfg    Config
	device op.Device
	ring   *allreduce.Group
	params *nn.Params
	clock  Clock
	plan   Plan
	opt    *optim.Optimizer // nil where nothing is ever committed
	mirror *optim.Optimizer // of what the rank before owns; nil without Config.Mirror

	phase   phase
	step    int     // of the run
	share   float32 // of the step's sum that is one rank's
	rate    float64 // with which it is applied, and scale, once decided
	scale   float64
	decided bool
	flow    *flow
	blank   bool  // the last micro-batch has no sample of this rank
	err     error // the first of Ready's

	reports     *reports
	accumulated *accumulator
	copies      *copies
	blanker     blanker
	residuals   *residuals
	factors     *powerSGD
	norm        *squaredNorm
	exchange    *normExchange

	sums     []*allreduce.Pending // by bucket
	arrived  []bool               // by bucket: the step's sum stands in the gradient memory
	settling [][]float32          // by kind, of all parameters: what Reshard has brought and Settle takes over
	gathers  []*allreduce.Pending // of updated parameters, by bucket, where the optimizer is sharded
}

// Parts is what a Sync works with, and closes none of. Gradients are final in Params.Grads of Device when Ready is called.
type Parts struct {
	Device op.Device
	Ring   *allreduce.Group
	Params *nn.Params
	Clock  Clock
}

// New allocates and compiles what the steps need.
func New(c Config, p Parts) (_ *Sync, err error) {
	plan := NewPlan(c, p.Params.List)
	s := &Sync{
		cfg: c, device: p.Device, ring: p.Ring, params: p.Params, clock: p.Clock, plan: plan,
		flow:    newFlow(plan, len(p.Params.List)),
		reports: newReports(p.Ring, c.WorldSize), arrived: make([]bool, len(plan)),
		sums: make([]*allreduce.Pending, len(plan)), gathers: make([]*allreduce.Pending, len(plan)),
	}
	if acc, ok := op.AsAccelerator(p.Device); ok {
		s.blanker.acc = acc
		if c.Travels() {
			s.copies = newCopies(acc, p.Params, plan)
		}
	}
	if err := s.own(p.Ring.Config()); err != nil {
		return nil, err
	}
	if c.Norm && c.Shard {
		s.exchange = newNormExchange(p.Ring, c, len(plan)+1)
	}
	if c.remembers() {
		if s.residuals, err = newResiduals(p.Device, p.Params.Len(), plan); err != nil {
			return nil, err
		}
	}
	if s.factors, err = newPowerSGD(c, p.Device, p.Params, s.residuals, plan); err != nil {
		return nil, err
	}
	if c.MicroBatches > 1 {
		s.accumulated, err = newAccumulator(p.Device, p.Params, plan)
	}
	return s, err
}

// own makes what updates this rank's part of the parameters in a ring, and the mirror of another's.
func (s *Sync) own(ring allreduce.Config) (err error) {
	c := s.cfg
	owned := s.plan.owned(c, ring, c.Rank)
	if c.Optimizer.Method != "" {
		if s.opt, err = optim.New(c.Optimizer, s.device, s.params, owned); err != nil {
			return err
		}
		s.mirror = nil
		if c.mirrors() {
			if s.mirror, err = optim.New(c.Optimizer, s.device, s.params, s.plan.owned(c, ring, c.before())); err != nil {
				return err
			}
		}
	}
	if c.Norm {
		s.norm, err = newSquaredNorm(s.device, s.params, owned)
	}
	return err
}

// Plan is how the gradients are divided.
func (s *Sync) Plan() Plan { return s.plan }

// Owned is what this rank updates.
func (s *Sync) Owned() optim.Ownership { return s.opt.Owned() }

// Reports are what all ranks have announced of the step, by rank, once Wait has returned without an error. They are the Sync's own, and
// stand still until the next step.
func (s *Sync) Reports() []Report { return s.reports.all }

// FreeBucket is a number that no collective of a Sync has, for those of its caller in the middle of a step.
func (s *Sync) FreeBucket() int { return len(s.plan) + 2 }

// Begin starts a step, counted from 0 over the whole run.
func (s *Sync) Begin(step int) {
	s.enter(begin)
	s.step, s.blank, s.err = step, false, nil
	s.share = 1 / float32(s.cfg.WorldSize)
	s.flow.reset()
	s.accumulated.begin()
	clear(s.arrived)
	s.decided = false
}

// Accumulate takes the gradients of a micro-batch that is not the last. Config.MicroBatches must be above 1.
func (s *Sync) Accumulate() error {
	s.enter(accumulate)
	return s.accumulated.keep()
}

// Blank says that this rank has no sample in the last micro-batch: what Ready finds counts as zeros. It may be called
// between Begin and the first Ready.
func (s *Sync) Blank() { s.blank = true }

// Announce tells the other ranks how this rank's forward passes have gone, above all whether its losses are finite. Buckets leave from
// now on.
func (s *Sync) Announce(r Report) {
	s.enter(announce)
	s.reports.start(r, s.cfg.Rank, len(s.plan))
	s.flow.open = true
	s.send()
}

// Ready is called when a parameter's gradient of the last micro-batch is final: buckets that are complete by it are on
// their way, as soon as the losses are announced.
func (s *Sync) Ready(param int) {
	s.enter(ready)
	from, to := s.flow.ready(param)
	for b := from; b < to; b++ {
		s.note(s.complete(b))
	}
	s.send()
}

// Skip takes the place of a last micro-batch where this rank has no sample in the whole step.
func (s *Sync) Skip(r Report) {
	s.Announce(r)
	s.Blank()
	for p := range s.params.List {
		s.Ready(p)
	}
}

// Flush returns the first error of Announce or Ready. Every gradient has been made ready by now.
func (s *Sync) Flush() error {
	s.enter(flush)
	if s.err == nil && !s.flow.done() {
		panic("gradsync: Flush before the last Ready")
	}
	return s.err
}

// complete leaves a bucket's sum over this rank's micro-batches in the gradient memory, and lets it follow to the host.
func (s *Sync) complete(b int) error {
	if s.blank {
		if err := s.blanker.blank(s.plan[b].of(s.params.Grads), s.plan[b].Len()); err != nil {
			return err
		}
	}
	if err := s.accumulated.complete(b); err != nil {
		return err
	}
	return s.copies.start(b)
}

// send sends the buckets that may leave to the other ranks.
func (s *Sync) send() {
	from, to := s.flow.leaving()
	for b := from; b < to && s.err == nil; b++ {
		if err := s.copies.wait(b); err != nil {
			s.note(err)
			return
		}
		s.sums[b] = s.startSum(b)
	}
}

// startSum starts a bucket's collective: a sum for all ranks, or for the owner of each part.
func (s *Sync) startSum(b int) *allreduce.Pending {
	if f := s.factors.matrix(b, s.step); f != nil {
		s.note(s.factors.project(f, s.step, s.residuals))
		return s.ring.StartAllReduce(f.p, allreduce.Sum{Bucket: b})
	}
	grads, sum := s.plan[b].slice(s.params.Grads.Host), allreduce.Sum{Bucket: b, Format: s.cfg.Format}
	if s.cfg.ErrorFeedback {
		sum.Residual = s.residuals.fork(b)
	}
	if s.cfg.Shard {
		sum.Mirror = s.cfg.mirrors()
		return s.ring.StartReduceScatter(grads, sum)
	}
	return s.ring.StartAllReduce(grads, sum)
}

// note keeps the first error of what cannot return one.
func (s *Sync) note(err error) {
	if s.err == nil {
		s.err = err
	}
}
