package launch

import (
	"fmt"
	"slices"
	"syscall"
	"time"
)

// roster decides which slots of an elastic launch are filled when, and which processes end how. It knows no process and no clock: it is
// told what happens, and says what to do.
type roster struct {
	Config
	slots []*slot // by number

	want       int       // ranks
	formed     bool      // a process has been in a cluster
	scattered  bool      // one that others may be looking for is gone, before that
	hopeless   time.Time // since when no cluster is to be expected any more; zero while one is
	left       bool      // all are to leave
	stopped    bool      // all are to end at once
	finished   time.Time // when the first had done everything; zero before
	late       bool      // some had not, EndByThemselves later
	casualties []casualty
	failed     *Exit // of one that could not end what it had done with the others
	last       *Exit // of the last one that had been in a cluster

	alarm   time.Time // when to be asked again; zero for not before something happens
	actions []action
}

// slot is a rank's place on this machine, which one process after another fills.
type slot struct {
	number  int
	state   slotState
	due     time.Time // while waiting: when to fill it
	deaths  int       // of processes that did not live long, in a row
	refills []time.Time

	// While it is filled:
	since   time.Time
	address string   // at which others join its process; empty before it has said so
	joined  []string // addresses that its process was given
	founder bool     // its process began the cluster with others, and so may be in it before it has said so
	formed  bool     // its process has said that it is in a cluster
	told    syscall.Signal
	toldAt  time.Time
}

type slotState int

const (
	empty slotState = iota
	waiting
	filled
)

// casualty is an end that may be the root cause, as long as nobody has taken the place.
type casualty struct {
	Exit
	told bool
}

// action is a process to start in a slot, or a signal to the one that fills it.
type action struct {
	slot    int
	founder bool     // starts one that begins the cluster with the others
	join    []string // starts one that joins these
	signal  syscall.Signal
}

func newRoster(c Config) *roster { return &roster{Config: c, want: c.Ranks} }

// next is what to do now. Where alarm is not zero it is to be asked again then, and in any case when something has happened.
func (r *roster) next(now time.Time) []action {
	r.actions, r.alarm = nil, time.Time{}
	switch {
	case r.stopped:
		r.disband(now, func(*slot) syscall.Signal { return syscall.SIGINT })
	case r.left:
		r.disband(now, func(s *slot) syscall.Signal {
			if s.formed {
				return syscall.SIGTERM
			}
			return syscall.SIGINT
		})
	case !r.finished.IsZero():
		r.windUp(now)
	case r.lost() && r.formed:
		r.disband(now, func(*slot) syscall.Signal { return syscall.SIGINT })
	case r.lost():
		r.despair(now)
	default:
		r.fill(now)
		r.thin(now)
		r.start(now)
	}
	r.press(now)
	return r.actions
}

// over says whether nothing runs and nothing will.
func (r *roster) over() bool {
	return !slices.ContainsFunc(r.slots, func(s *slot) bool { return s.state != empty })
}

// at asks for the alarm, and says whether that time has come.
func (r *roster) at(t, now time.Time) bool {
	if !now.Before(t) {
		return true
	}
	if r.alarm.IsZero() || t.Before(r.alarm) {
		r.alarm = t
	}
	return false
}

func (r *roster) count(is func(*slot) bool) (n int) {
	for _, s := range r.slots {
		if is(s) {
			n++
		}
	}
	return n
}

func (s *slot) running() bool { return s.state == filled }
func (s *slot) member() bool  { return s.state == filled && (s.formed || s.founder) }

// staff says whether the slot counts as one of the ranks that are wanted.
func (s *slot) staff() bool { return s.state == waiting || s.state == filled && s.told == 0 }

// lost says whether no cluster is left that a process could join or begin.
func (r *roster) lost() bool {
	if r.formed {
		return r.count((*slot).member) == 0
	}
	return r.want < r.Ranks
}

// disband fills no slot any more, and tells each process to end.
func (r *roster) disband(now time.Time, how func(*slot) syscall.Signal) {
	for _, s := range r.slots {
		switch s.state {
		case waiting:
			s.state = empty
		case filled:
			r.tell(s, how(s), now)
		}
	}
}

// windUp ends who cannot be part of the end any more: a process that still looks for a cluster, and one that the others finished without.
func (r *roster) windUp(now time.Time) {
	members := r.count(func(s *slot) bool { return s.member() && s.told == 0 })
	late := members > 0 && r.at(r.finished.Add(r.EndByThemselves), now)
	if late && !r.late {
		r.late = true
		r.Elastic.OnEvent(Late{Ranks: members, After: r.EndByThemselves})
	}
	r.disband(now, func(s *slot) syscall.Signal {
		if late || members == 0 {
			return syscall.SIGINT
		}
		return 0
	})
}

// despair ends who waits for a cluster that cannot form, once the others had the time to say what is wrong with them.
func (r *roster) despair(now time.Time) {
	if r.hopeless.IsZero() {
		r.hopeless = now
	}
	ripe := r.at(r.hopeless.Add(r.EndUnformed), now)
	r.disband(now, func(*slot) syscall.Signal {
		if ripe {
			return syscall.SIGINT
		}
		return 0
	})
}

// fill opens slots for the ranks that are missing, the lowest numbers first.
func (r *roster) fill(now time.Time) {
	for missing := r.want - r.count((*slot).staff); missing > 0; missing-- {
		i := slices.IndexFunc(r.slots, func(s *slot) bool { return s.state == empty })
		if i < 0 {
			i = len(r.slots)
			r.slots = append(r.slots, &slot{number: i})
		}
		s := r.slots[i]
		s.state, s.due, s.deaths, s.refills = waiting, now, 0, nil
	}
}

// thin has the ranks leave that are too many: those first that are not there yet, then the youngest.
func (r *roster) thin(now time.Time) {
	for extra := r.count((*slot).staff) - r.want; extra > 0; extra-- {
		var victim *slot
		for _, s := range r.slots {
			if s.staff() && (victim == nil || s.younger(victim)) {
				victim = s
			}
		}
		switch {
		case victim.state == waiting:
			victim.state = empty
		case victim.formed:
			r.tell(victim, syscall.SIGTERM, now)
		default:
			r.tell(victim, syscall.SIGINT, now)
		}
	}
}

// younger orders slots by how far their processes have come.
func (s *slot) younger(than *slot) bool {
	rank := func(s *slot) int {
		switch {
		case s.state == waiting:
			return 0
		case !s.formed:
			return 1
		}
		return 2
	}
	if a, b := rank(s), rank(than); a != b {
		return a < b
	}
	if s.since.Equal(than.since) || s.state == waiting {
		return s.number > than.number
	}
	return s.since.After(than.since)
}

// start fills the slots whose time has come. Until there is a cluster, one process begins, and the others look for it. Where one dies
// that others may be looking for, the next must bring all together: it is started once all have said where they are.
func (r *roster) start(now time.Time) {
	for _, s := range r.slots {
		if s.state != waiting || !r.at(s.due, now) {
			continue
		}
		var join []string
		silent := 0
		for _, other := range r.slots {
			switch {
			case !other.running() || other.told != 0:
			case other.address == "":
				silent++
			case other.member():
				join = append(join, other.address)
			}
		}
		switch {
		case !r.formed && silent > 0 && (len(join) == 0 || r.scattered):
			continue
		case r.formed && len(join) == 0: // the last members leave
			continue
		}
		s.state, s.since, s.address, s.joined, s.founder, s.formed, s.told = filled, now, "", join, !r.formed, false, 0
		r.actions = append(r.actions, action{slot: s.number, founder: !r.formed, join: join})
	}
}

// tell sends a signal to a slot's process, unless it was told as loudly before.
func (r *roster) tell(s *slot, signal syscall.Signal, now time.Time) {
	if loudness(signal) <= loudness(s.told) {
		return
	}
	s.told, s.toldAt = signal, now
	r.actions = append(r.actions, action{slot: s.number, signal: signal})
}

// press kills who was told to end at once and does not.
func (r *roster) press(now time.Time) {
	for _, s := range r.slots {
		if s.running() && s.told == syscall.SIGINT && r.at(s.toldAt.Add(r.EndAfterTerm), now) {
			r.tell(s, syscall.SIGKILL, now)
		}
	}
}

// announced: a slot's process has said where it can be joined.
func (r *roster) announced(number int, address string) { r.slots[number].address = address }

// joined: a slot's process has said that it is in a cluster.
func (r *roster) joined(number int) {
	s := r.slots[number]
	s.formed, r.formed = true, true
	r.casualties = slices.DeleteFunc(r.casualties, func(c casualty) bool { return c.Rank == number })
}

// leave: all ranks are to leave.
func (r *roster) leave() { r.left = true }

// stop: all ranks are to end.
func (r *roster) stop() { r.stopped = true }

// resize: another number of ranks is asked for.
func (r *roster) resize(ask Resize) {
	n, err := ask.Ranks(r.want)
	e := r.Elastic
	switch {
	case err != nil:
	case !r.formed:
		err = fmt.Errorf("the %d ranks have not found each other yet", r.Ranks)
	case r.left || r.stopped || !r.finished.IsZero() || r.lost():
		err = fmt.Errorf("the ranks are about to end")
	case n < e.MinRanks:
		err = fmt.Errorf("%d ranks are fewer than the %d that must stay", n, e.MinRanks)
	case e.MaxRanks > 0 && n > e.MaxRanks:
		err = fmt.Errorf("%d ranks are more than the %d that are allowed", n, e.MaxRanks)
	}
	if err != nil {
		n = r.want
	}
	before := r.want
	r.want = n
	ask.Reply(before, n, err)
}

// ended: a slot's process is gone, or could not be started. It returns the exit with what the roster knows of it.
func (r *roster) ended(number int, exit Exit, now time.Time) Exit {
	s := r.slots[number]
	was := *s
	exit.Formed = was.formed
	r.bury(s, was, exit, now)
	return exit
}

// bury decides what becomes of a slot whose process is gone; it was as was says.
func (r *roster) bury(s *slot, was slot, exit Exit, now time.Time) {
	s.state, s.address, s.joined, s.formed, s.told = empty, "", nil, false, 0
	if was.formed {
		r.last = &exit
	}
	if !r.formed && was.address != "" {
		r.scattered = true
	}
	if exit.Err == nil {
		if r.finished.IsZero() {
			r.finished = now
		}
		return
	}
	if was.told != syscall.SIGTERM || r.left { // else it was one too many
		r.casualties = append(r.casualties, casualty{exit, loudness(was.told) >= loudness(syscall.SIGINT)})
	}
	e := r.Elastic
	departed := !exit.died() && e.Departed(exit.Code)
	switch {
	case !r.finished.IsZero():
		if was.formed && was.told == 0 && !exit.died() && e.Restartable(exit) {
			r.failed = &exit
		}
	case was.told != 0 || r.left || r.stopped || !r.hopeless.IsZero() || r.formed && r.lost():
	case departed:
		r.want--
		if r.formed {
			r.want = max(r.want, e.MinRanks)
		}
	case exit.died() || e.Restartable(exit) || r.stranded(was):
		r.refill(s, was, exit, now)
	default:
		r.giveUp(GivenUp{Exit: exit})
	}
}

// stranded says whether a process has looked in vain because all those were gone that it was told of.
func (r *roster) stranded(was slot) bool {
	return !was.formed && len(was.joined) > 0 && !slices.ContainsFunc(r.slots, func(s *slot) bool {
		return s.running() && slices.Contains(was.joined, s.address)
	})
}

// refill has a slot filled again, later and later, up to the number of times that is allowed.
func (r *roster) refill(s *slot, was slot, exit Exit, now time.Time) {
	e := r.Elastic
	if now.Sub(was.since) >= e.SteadyAfter {
		s.deaths = 0
	}
	s.refills = slices.DeleteFunc(s.refills, func(t time.Time) bool { return now.Sub(t) >= e.RestartWindow })
	if len(s.refills) >= e.MaxRestarts {
		r.giveUp(GivenUp{Exit: exit, Restarts: len(s.refills)})
		return
	}
	in := e.FirstBackoff
	for range s.deaths {
		in = min(2*in, e.MaxBackoff)
	}
	s.deaths++
	s.refills = append(s.refills, now)
	s.state, s.due = waiting, now.Add(in)
	e.OnEvent(Restarting{Exit: exit, In: in, Number: len(s.refills), Of: e.MaxRestarts})
}

// giveUp leaves a slot empty. Where that is the end of the launch, its failure tells.
func (r *roster) giveUp(event GivenUp) {
	r.want--
	if !r.lost() {
		r.Elastic.OnEvent(event)
	}
}

// result is how the launch has ended, once it is over.
func (r *roster) result() error {
	switch {
	case !r.finished.IsZero() && r.failed == nil:
		return nil
	case !r.finished.IsZero():
		return &Failure{*r.failed}
	case r.last != nil && r.last.Err != nil && !r.last.died() && r.Elastic.Departed(r.last.Code):
		return &Failure{*r.last}
	case r.left && r.last == nil, len(r.casualties) == 0:
		return ErrLeft
	}
	return &Failure{r.cause()}
}

// cause is the last end that was not another's consequence: those before it were outlived.
func (r *roster) cause() Exit {
	for _, c := range slices.Backward(r.casualties) {
		if r.likelihood(c.Exit, c.told) < consequence {
			return c.Exit
		}
	}
	return r.casualties[0].Exit
}
