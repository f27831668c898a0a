package elastic

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"syscall"
	"time"
)

// Result is what a job of so many ranks has gone through.
type Result struct {
	Config    Config
	Incidents []Incident
	Audit     Audit
	Step      float64 // seconds, the median over all ranks
	Took      float64 // seconds from the first step to the end
	Unplanned int     // changes of the view that nobody has caused, on any rank
	Paused    float64 // seconds, of all changes
}

// drill is a job under way. One goroutine owns it.
type drill struct {
	*fleet
	live   []*process // by rank of the last view in which all were there
	audit  *audit
	result Result
	began  int64
	busy   bool // an incident is under way
}

// Run starts a job, does to it what the plan says, and ends it. Its error says what has gone wrong; the result has what was measured until
// then. It blocks, and leaves no process behind.
func Run(ctx context.Context, c Config) (Result, error) {
	d := &drill{fleet: newFleet(c), audit: newAudit(c.Samples, c.Rank.GlobalBatch), result: Result{Config: c}}
	defer d.close()
	err := d.run(ctx)
	d.finish()
	if err == nil && len(d.result.Audit.Problems) > 0 {
		err = fmt.Errorf("the audit of samples: %s", d.result.Audit.Problems[0])
	}
	return d.result, err
}

func (d *drill) run(ctx context.Context) error {
	if err := d.form(ctx); err != nil {
		return err
	}
	for i, fault := range Plan(d.Config) {
		if err := d.suffer(ctx, fault); err != nil {
			return fmt.Errorf("fault %d (%s of rank %d, seed %d, %d ranks): %w", i+1, fault.Kind, fault.Rank, d.Seed, d.Ranks, err)
		}
		d.say("%d ranks: %d of %d: %s", d.Ranks, i+1, d.Kills+d.Stops+d.Leaves, d.describe())
	}
	if err := d.settle(ctx, warmUp); err != nil {
		return err
	}
	return d.leaveAll(ctx)
}

// describe is the last incident that a fault was, and the join that followed.
func (d *drill) describe() string {
	n := len(d.result.Incidents)
	if n < 2 {
		return ""
	}
	a, b := d.result.Incidents[n-2], d.result.Incidents[n-1]
	return fmt.Sprintf("%s at step %d: pause %.0f ms; %s: pause %.0f ms", a.Kind, a.Step, 1e3*a.Pause, b.Kind, 1e3*b.Pause)
}

// form starts the ranks, and waits until all know what a step takes.
func (d *drill) form(ctx context.Context) error {
	first, err := d.start(d.Ranks, "")
	if err != nil {
		return err
	}
	d.live = append(d.live, first)
	if err := d.until(ctx, "the first rank can be joined", func() bool { return first.address != "" }); err != nil {
		return err
	}
	for range d.Ranks - 1 {
		p, err := d.start(d.Ranks, first.address)
		if err != nil {
			return err
		}
		d.live = append(d.live, p)
	}
	if err := d.until(ctx, "all ranks train", func() bool {
		return all(d.live, func(p *process) bool { return p.pace.last.Total() >= warmUp })
	}); err != nil {
		return err
	}
	d.began = time.Now().UnixNano()
	d.byRank()
	return nil
}

// byRank orders the ranks by their places in the view, in which all of them are.
func (d *drill) byRank() {
	slices.SortFunc(d.live, func(a, b *process) int { return a.seat.Rank - b.seat.Rank })
}

// settle waits until all ranks have done so many steps more.
func (d *drill) settle(ctx context.Context, steps int) error {
	to := 0
	for _, p := range d.live {
		to = max(to, p.pace.last.Total())
	}
	return d.until(ctx, "all ranks go on", func() bool {
		return all(d.live, func(p *process) bool { return p.pace.last.Total() >= to+steps })
	})
}

// suffer does a fault, and has who is gone followed by another one.
func (d *drill) suffer(ctx context.Context, f Fault) error {
	if err := d.settle(ctx, f.After); err != nil {
		return err
	}
	phase := time.Duration(f.Phase * float64(d.live[0].pace.usual(false)))
	passed := time.After(phase)
	if err := d.until(ctx, "a part of a step passes", func() bool {
		select {
		case <-passed:
			return true
		default:
			return false
		}
	}); err != nil {
		return err
	}
	d.busy = true
	defer func() { d.busy = false }()
	victim := d.live[f.Rank]
	i := Incident{Kind: f.Kind, Ranks: d.Ranks, Name: victim.name, Leader: f.Rank == 0}
	others := slices.DeleteFunc(slices.Clone(d.live), func(p *process) bool { return p == victim })
	for _, p := range d.live {
		i.Step = max(i.Step, p.pace.last.Total())
	}
	signal, err := d.signal(victim, map[Kind]syscall.Signal{Kill: syscall.SIGKILL, Stop: syscall.SIGSTOP, Leave: syscall.SIGTERM}[f.Kind], f.Kind != Stop)
	if err != nil {
		return err
	}
	if err := d.until(ctx, "the others go on without "+victim.name, func() bool {
		return all(others, func(p *process) bool { return changed(p, signal) && !slices.Contains(p.seat.Members, victim.name) }) &&
			(f.Kind == Stop || victim.ended)
	}); err != nil {
		return err
	}
	d.book(i, signal, others)
	d.live = others
	if f.Kind == Leave && victim.code() != LeftCode {
		return fmt.Errorf("%s, told to leave, ended with %d in place of %d: %s", victim.name, victim.code(), LeftCode, victim.lastLine())
	}
	if err := d.settle(ctx, thaw); err != nil {
		return err
	}
	return d.replace(ctx, f, victim)
}

// replace has the one that is stopped go on, or starts another.
func (d *drill) replace(ctx context.Context, f Fault, gone *process) (err error) {
	i := Incident{Kind: Join, Ranks: d.Ranks}
	others := slices.Clone(d.live)
	now := time.Now().UnixNano()
	newcomer := gone
	if f.Kind == Stop {
		i.Kind = Return
		gone.seat, gone.first, gone.pace = Message{}, 0, pace{ranks: d.Ranks}
		if now, err = d.signal(gone, syscall.SIGCONT, false); err != nil {
			return err
		}
	} else if newcomer, err = d.start(0, others[0].address); err != nil {
		return err
	}
	i.Name = newcomer.name
	for _, p := range others {
		i.Step = max(i.Step, p.pace.last.Total())
	}
	if err := d.until(ctx, newcomer.name+" joins", func() bool {
		return newcomer.first != 0 && all(others, func(p *process) bool { return changed(p, now) && slices.Contains(p.seat.Members, newcomer.name) })
	}); err != nil {
		return err
	}
	i.Start = seconds(newcomer.first - now)
	d.book(i, 0, others)
	d.live = append(others, newcomer)
	d.byRank()
	return nil
}

// signal sends one, at the time that it returns.
func (d *drill) signal(p *process, s syscall.Signal, dies bool) (at int64, err error) {
	p.dies = p.dies || dies
	for _, q := range d.all {
		q.changes = nil
	}
	at = time.Now().UnixNano()
	return at, p.cmd.Process.Signal(s)
}

// changed says whether a rank has gone on in another view since.
func changed(p *process, since int64) bool {
	return len(p.changes) > 0 && p.changes[len(p.changes)-1].At > since
}

// book measures an incident. signal is 0 for a join.
func (d *drill) book(i Incident, signal int64, others []*process) {
	var survivors []survivor
	for _, p := range others {
		s := survivor{}
		for _, c := range p.changes {
			s.changes, s.usual = append(s.changes, c.Message), append(s.usual, c.usual)
		}
		survivors = append(survivors, s)
		p.changes = nil
	}
	i.measure(signal, survivors)
	d.result.Incidents = append(d.result.Incidents, i)
	d.result.Paused += i.Pause
}

// leaveAll ends the job as a preemption of all ranks at once does.
func (d *drill) leaveAll(ctx context.Context) error {
	d.result.Took = seconds(time.Now().UnixNano() - d.began)
	d.busy = true
	for _, p := range d.live {
		if _, err := d.signal(p, syscall.SIGTERM, true); err != nil {
			return err
		}
	}
	if err := d.until(ctx, "all ranks leave", func() bool { return all(d.live, func(p *process) bool { return p.ended }) }); err != nil {
		return err
	}
	for _, p := range d.live {
		if p.code() != LeftCode {
			return fmt.Errorf("%s, told to leave with all others, ended with %d in place of %d: %s", p.name, p.code(), LeftCode, p.lastLine())
		}
	}
	return nil
}

// until takes what the ranks say until something is so.
func (d *drill) until(ctx context.Context, what string, so func() bool) error {
	late := time.NewTimer(patience)
	defer late.Stop()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !so() {
		select {
		case n := <-d.news:
			if err := d.take(n); err != nil {
				return err
			}
		case <-tick.C:
		case <-late.C:
			return fmt.Errorf("waited for %v, and it is not so that %s%s", patience, what, d.lastLines())
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

// lastLines are those of the ranks' logs.
func (d *drill) lastLines() (text string) {
	for _, p := range d.all {
		if !p.ended {
			text += fmt.Sprintf("\n  %s, rank %d of %v in view %d, step %d: %s", p.name, p.seat.Rank, p.seat.Members, p.seat.View, p.pace.last.Total(), p.lastLine())
		}
	}
	return text
}

// take books what a rank says.
func (d *drill) take(n news) error {
	p, m := n.of, n.says
	switch {
	case n.ended:
		p.ended, p.end = true, n.err
		if !p.dies {
			return fmt.Errorf("%s, rank %d of %v in view %d, ended by itself: %w: %s%s", p.name, p.seat.Rank, p.seat.Members, p.seat.View, orNone(n.err), p.lastLine(), d.lastLines())
		}
	case m.Kind == Address:
		p.address = m.Address
	case m.Kind == Seated:
		p.seat = m
	case m.Kind == Recovered:
		p.seat = m
		p.pace.changed = true
		p.changes = append(p.changes, survivorChange{m, p.pace.usual(m.Step == 1)})
		if !d.busy {
			d.unplanned(p)
		}
	case m.Kind == Stepped:
		if p.first == 0 && p.seat.Kind != "" {
			p.first = m.At
		}
		p.pace.step(m)
		d.audit.hear(p.name, m)
	}
	return nil
}

// unplanned books a change that nobody has caused.
func (d *drill) unplanned(p *process) {
	c := p.changes[len(p.changes)-1]
	d.result.Unplanned++
	d.say("%s changed to view %d of %v at its own", p.name, c.View, c.Members)
}

var errNone = errors.New("exit status 0")

func orNone(err error) error {
	if err == nil {
		return errNone
	}
	return err
}

// finish makes the outcome of what there is.
func (d *drill) finish() {
	d.result.Audit = d.audit.outcome()
	var steps []int64
	for _, p := range d.all {
		steps = append(steps, p.pace.steps...)
	}
	d.result.Step = seconds(median(steps))
	if d.result.Took == 0 && d.began != 0 {
		d.result.Took = seconds(time.Now().UnixNano() - d.began)
	}
}

func all(ps []*process, so func(*process) bool) bool {
	return !slices.ContainsFunc(ps, func(p *process) bool { return !so(p) })
}
