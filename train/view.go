package train

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"ringloom/allreduce"
	"ringloom/nn/exec"
	"ringloom/nn/op"
	"ringloom/shard"
	"ringloom/train/gradsync"
)

// View is a rank's place in a view of the cluster.
type View struct {
	// Generation orders the views.
	Generation      uint64
	Ring            *allreduce.Group
	Rank, WorldSize int
}

// Change ends Run on every rank behind the same step, because a rank wants it.
type Change struct {
	Leaving []int // the ranks that leave
	Evicted bool  // they leave because they are slow, and the others are faster without them
	Step    int   // steps that are done
}

func (c *Change) Error() string {
	if len(c.Leaving) > 0 {
		return fmt.Sprintf("behind step %d ranks %v leave", c.Step, c.Leaving)
	}
	return fmt.Sprintf("behind step %d others join", c.Step)
}

// heldStep is a step of this rank whose sums have not all come, because the view ended: another rank may have them, and have committed it.
type heldStep struct {
	at      place
	samples int
	stats   exec.Stats
}

// wants is what this rank wishes to happen behind the step.
func (w *Worker) wants() gradsync.Wish {
	if w.Wants == nil {
		return 0
	}
	return w.Wants()
}

// told is how many samples each rank has told to have in the last step.
func (w *Worker) told() []int {
	if !w.Elastic {
		return nil
	}
	told := make([]int, len(w.reports))
	for rank, r := range w.reports {
		told[rank] = r.Samples
	}
	return told
}

// change is what any rank has wished in the last step, nil where none has.
func (w *Worker) change() *Change {
	if !w.Elastic {
		return nil
	}
	wanted, c := false, &Change{Step: w.steps}
	if slow := w.stragglers.evicted; slow >= 0 {
		wanted, c.Leaving, c.Evicted = true, []int{slow}, true
	}
	for rank, r := range w.reports {
		wanted = wanted || r.Wants != 0
		if r.Wants&gradsync.Leaves != 0 {
			c.Leaving = append(c.Leaving, rank)
		}
	}
	if !wanted {
		return nil
	}
	return c
}

// holds says whether a step that has failed is to be held: its sums have not all come, for a reason that is not its own.
func (w *Worker) holds(err error) bool {
	var ring *allreduce.Error
	return w.Elastic && w.grads.Holds() && errors.As(err, &ring)
}

// Progress is how far a run has come on one rank.
type Progress struct {
	Steps int  `json:"steps"` // done in all epochs
	Ended int  `json:"ended"` // at which of them an epoch's end was last dealt with
	Begun bool `json:"begun"` // there is a state to go on from
}

// Progress may be asked between runs.
func (w *Worker) Progress() Progress { return Progress{w.steps, w.ended, w.begun} }

// seat is the place in which a rank has settled in some view. Views may end before their ranks are at one place; so a rank that has prepared
// its next seat keeps the one before until all have prepared theirs.
type seat struct {
	View  uint64 `json:"view"`
	Rank  int    `json:"rank"`
	World int    `json:"world"`
}

// standing is what a rank tells of itself when a view begins.
type standing struct {
	Progress
	Founder   bool `json:"founder,omitempty"` // it was there when the run began
	Resumes   bool `json:"resumes,omitempty"` // it was given a state to begin with (Resume)
	BaseWorld int  `json:"base_world"`
	Seat      seat `json:"seat"`
	Prepared  seat `json:"prepared"`
}

// alignment is how the ranks of a new view come to one place in the run.
type alignment struct {
	begins   bool // nobody has begun: the run begins as in a first view
	to       Progress
	base     int  // ranks of the first view
	source   int  // a rank that is there, which the others follow
	transfer bool // somebody needs the state of the source

	former seat  // the last view in which all had settled; its rank means nothing
	places []int // by rank, the one that it had there; -1 where it was not in it
}

// ErrStateLost is what Rejoin ends with where those who had joined are left alone before they had the run's state.
var ErrStateLost = errors.New("the ranks that had the run's state are gone, and those that are left had only just joined")

// unbegun says whether the run has begun on some ranks alone, and none has taken a step: then it begins again on all.
func unbegun(ranks []standing) bool {
	waits := func(r standing) bool { return r.Founder && !r.Begun }
	steps := func(r standing) bool { return r.Begun && r.Steps > 0 }
	return slices.ContainsFunc(ranks, waits) && !slices.ContainsFunc(ranks, steps)
}

// align decides how the ranks, by what each tells, come to one place: the furthest step that any of them has committed, and the earliest
// end of an epoch that any has yet to deal with. It is the same on all ranks.
func align(ranks []standing) (alignment, error) {
	a := alignment{source: -1}
	for _, r := range ranks {
		if r.Begun && !unbegun(ranks) && (a.source < 0 || r.Steps > a.to.Steps) {
			a.to, a.source = r.Progress, 0
		}
	}
	if a.source < 0 {
		if !slices.ContainsFunc(ranks, func(r standing) bool { return r.Founder }) {
			return a, ErrStateLost
		}
		for rank, r := range ranks {
			if r.Resumes && rank > 0 {
				return a, fmt.Errorf("rank %d was given the state to go on from, and does not lead", rank)
			}
		}
		a.begins = true
		return a, nil
	}
	for _, r := range ranks {
		if r.Begun {
			a.to.Ended = min(a.to.Ended, r.Ended)
		}
	}
	a.source = -1
	for rank, r := range ranks {
		switch {
		case !r.Begun:
			a.transfer = true
		case r.Steps == a.to.Steps:
			if r.Ended == a.to.Ended && a.source < 0 {
				a.source, a.base = rank, r.BaseWorld
			}
		case r.Steps == a.to.Steps-1:
			a.transfer = true
		default:
			return a, fmt.Errorf("rank %d has done %d steps and another one %d: more than one lies between them", rank, r.Steps, a.to.Steps)
		}
	}
	if a.source < 0 {
		return a, fmt.Errorf("no rank has done %d steps and dealt with the end of %d", a.to.Steps, a.to.Ended)
	}
	a.settled(ranks)
	return a, nil
}

// settled finds the last view in which all had settled: one rank has given up the seat before only when all had prepared the next.
func (a *alignment) settled(ranks []standing) {
	for _, r := range ranks {
		if r.Begun && r.Seat.View > a.former.View {
			a.former = r.Seat
		}
	}
	for _, r := range ranks {
		at := -1
		switch {
		case !r.Begun:
		case r.Seat.View == a.former.View:
			at = r.Seat.Rank
		case r.Prepared.View == a.former.View:
			at = r.Prepared.Rank
		}
		a.places = append(a.places, at)
	}
}

// Aligned says how the ranks of a view have come to one place.
type Aligned struct {
	Progress
	Followed int   // ranks that had not committed the last step, and have taken it over
	Joined   int   // ranks that had no state
	Bytes    int64 // of the state that went round for them
}

// Rejoin takes the run into the view that follows the one that Run has ended with, on every rank of it; Run then goes on. A rank that has
// joined calls it in place of what begins a run. Whatever a survivor remembers stays with it; a rank without a state gets what it needs from
// another over the ring. It must be called on Run's thread. An error of the ring means that this view has ended too, and that Rejoin is to
// be called for the next.
func (w *Worker) Rejoin(ctx context.Context, v View) (Aligned, error) {
	if err := w.rebind(v); err != nil {
		return Aligned{}, err
	}
	all, err := allreduce.AllGatherJSON(ctx, w.Ring, standing{w.Progress(), w.founder, w.resume != nil, w.baseWorld, w.seat, w.prepared.seat})
	if err != nil {
		return Aligned{}, fmt.Errorf("comparing where the ranks stand: %w", err)
	}
	a, err := align(all)
	if err != nil {
		return Aligned{}, err
	}
	if a.begins {
		if err := w.drop(); err != nil {
			return Aligned{}, err
		}
		w.begun, w.seat, w.ledger = false, seat{}, ledger{}
		w.schedules(w.WorldSize)
		return Aligned{}, nil
	}
	aligned := Aligned{Progress: a.to}
	for _, r := range all {
		switch {
		case !r.Begun:
			aligned.Joined++
		case r.Steps < a.to.Steps:
			aligned.Followed++
		}
	}
	before := w.Ring.Stats().BytesSent
	if err := w.alignTo(ctx, a); err != nil {
		return aligned, err
	}
	if a.transfer || w.ShardOptimizer {
		aligned.Bytes = int64(w.Ring.Stats().BytesSent - before)
		if err := w.checkParameters(ctx); err != nil {
			return aligned, err
		}
	}
	return aligned, nil
}

// rebind makes this rank's part that of another place in another world. The step that is held stays.
func (w *Worker) rebind(v View) (err error) {
	if err := w.Validate(v.WorldSize); err != nil {
		return err
	}
	if err := w.ownMoments(); err != nil {
		return err
	}
	w.Ring, w.Rank, w.WorldSize, w.Generation = v.Ring, v.Rank, v.WorldSize, v.Generation
	w.stragglers = newStragglers(w.Stragglers, v.WorldSize)
	w.computed = 0
	if w.sampler, err = shard.New(w.shardConfig(w.WorldSize, w.Rank)); err != nil {
		return err
	}
	if w.sync != nil {
		w.sync.ring = v.Ring
	}
	w.grads.Rebind(w.gradients(v.Rank, v.WorldSize), v.Ring)
	return w.compileAll()
}

// alignTo brings this rank to where all go on.
func (w *Worker) alignTo(ctx context.Context, a alignment) error {
	if w.prepared.View == a.former.View && w.seat.View < a.former.View { // the others have settled there
		if err := w.settle(); err != nil {
			return err
		}
	}
	w.prepared = preparation{}
	behind := w.begun && w.steps < a.to.Steps
	need := behind || !w.begun
	if !behind {
		if err := w.drop(); err != nil {
			return err
		}
	}
	if a.transfer {
		if err := w.take(ctx, a.source, need); err != nil {
			return fmt.Errorf("handing over the state of step %d: %w", a.to.Steps, err)
		}
	}
	if behind {
		if err := w.follow(); err != nil {
			return err
		}
	}
	if !w.begun {
		w.schedules(a.base)
		w.steps, w.ended, w.heard = a.to.Steps, a.to.Ended, a.to.Ended
	}
	w.resume = nil
	if w.ended > a.to.Ended {
		w.ended = a.to.Ended
		w.ledger.reopen(w.epoch())
	}
	if err := w.prepare(ctx, a); err != nil {
		return err
	}
	if err := w.Ring.Barrier(ctx); err != nil {
		return err
	}
	w.begun, w.reports = true, nil
	return w.settle()
}

// preparation is what a rank takes over when all ranks of a view have come to one place.
type preparation struct {
	seat
	ledger ledger
}

// prepare makes what this rank takes over. It keeps what it had.
func (w *Worker) prepare(ctx context.Context, a alignment) error {
	if w.ShardOptimizer {
		if err := w.grads.Reshard(ctx, a.former.World, a.places); err != nil {
			return fmt.Errorf("sharing out the optimizer's memory anew: %w", err)
		}
	}
	ledger, err := w.shareLedgers(ctx, a)
	if err != nil {
		return err
	}
	w.prepared = preparation{seat{w.Generation, w.Rank, w.WorldSize}, ledger}
	return nil
}

// settle takes over what was prepared.
func (w *Worker) settle() error {
	w.seat, w.ledger = w.prepared.seat, w.prepared.ledger
	w.prepared = preparation{}
	return w.grads.Settle()
}

// Forget makes this rank one without a state, which takes another's when it joins (Rejoin). It is called between views.
func (w *Worker) Forget() error {
	if err := w.drop(); err != nil {
		return err
	}
	w.grads.Forget()
	w.founder = false
	w.begun, w.resume, w.seat, w.prepared = false, nil, seat{}, preparation{}
	w.steps, w.ended, w.heard, w.ledger = 0, 0, 0, ledger{}
	return w.ownMoments()
}

// drop forgets the step that is held, which nobody has committed.
func (w *Worker) drop() error {
	if w.held == nil {
		return nil
	}
	w.held = nil
	return w.abort(nil)
}

// follow makes the step that is held this rank's last: another one has committed it.
func (w *Worker) follow() error {
	if err := w.grads.Follow(); err != nil {
		return err
	}
	w.ledger.add(w.held.at, w.held.samples, w.held.stats)
	w.ledger.hear(w.held.at, w.reports)
	w.steps++
	w.held = nil
	return nil
}

// take gives every rank of the view that needs it the state of one: parameters, what the optimizer remembers, what all ranks have told of the
// last step, and, where it has not begun, running moments. What this rank has changes only when all of that is here, for the other one may
// die on the way. Where the optimizer is sharded, parameters and its memory come later, in their parts.
func (w *Worker) take(ctx context.Context, source int, need bool) error {
	mine := w.Rank == source
	if mine {
		if err := w.params.Pull(); err != nil {
			return err
		}
	}
	receive := func(own []float32, keep bool) ([]float32, error) {
		if keep && !mine {
			own = make([]float32, len(own))
		}
		return own, w.Ring.Broadcast(ctx, own, source)
	}
	reports, err := json.Marshal(w.reports)
	if err != nil {
		return err
	}
	if reports, err = w.Ring.BroadcastBytes(ctx, reports, source); err != nil {
		return err
	}
	if moments := w.params.StateValues.Host; len(moments) > 0 {
		if _, err := receive(moments, w.begun); err != nil {
			return err
		}
	}
	var values []float32
	if !w.ShardOptimizer {
		if values, err = receive(w.values(), w.begun && need); err != nil {
			return err
		}
	}
	load, err := w.grads.Take(ctx, source, need)
	if err != nil || !need {
		return err
	}
	if err := json.Unmarshal(reports, &w.reports); err != nil {
		return fmt.Errorf("what rank %d says of the last step cannot be read: %w", source, err)
	}
	if !w.ShardOptimizer {
		copy(w.values(), values)
		if err := op.Push(w.Device, w.params.Values); err != nil {
			return err
		}
	}
	if !w.begun {
		if err := op.Push(w.Device, w.params.StateValues); err != nil {
			return err
		}
	}
	return load()
}

// account is what a rank knows of the epoch when a view begins.
type account struct {
	Partial
	Lost RankEpoch `json:"lost"` // of ranks that are not in the view
}

// shareLedgers tells every rank what each has of the epoch. Rank 0 takes over what the ranks have done that are gone.
func (w *Worker) shareLedgers(ctx context.Context, a alignment) (l ledger, err error) {
	epoch := w.epoch()
	own, lost := w.ledger.partial(), w.ledger.lost(a.places)
	if w.ledger.epoch != epoch {
		own, lost = &Partial{}, RankEpoch{}
	}
	all, err := allreduce.AllGatherJSON(ctx, w.Ring, account{*own, lost})
	if err != nil {
		return l, fmt.Errorf("sharing what the ranks have of epoch %d: %w", epoch, err)
	}
	steps := len(all[a.source].RankEpoch.StepLoss)
	ranks := make([]Partial, len(all))
	for rank, p := range all {
		ranks[rank] = Partial{RankEpoch: p.RankEpoch, Norms: all[a.source].Norms}
		if missing := steps - len(p.RankEpoch.StepLoss); missing > 0 { // it has joined in the middle of the epoch
			ranks[rank].RankEpoch.StepLoss = append(make([]float64, missing), p.RankEpoch.StepLoss...)
		}
		ranks[rank].RankEpoch.Rank = rank
	}
	ranks[0].RankEpoch.take(all[a.source].Lost)
	l.last = w.ledger.last
	l.resume(epoch, w.Rank, ranks)
	return l, nil
}
