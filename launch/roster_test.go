package launch

import (
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// stage is a roster in virtual time, whose processes are imagined.
type stage struct {
	t   *testing.T
	r   *roster
	now time.Time
	log []string // what has happened to slots
	did []string // what the roster has asked for since it was last looked at
}

func newStage(t *testing.T, ranks int, change func(*Elastic)) *stage {
	s := &stage{t: t, now: time.Unix(1e9, 0)}
	c, e := Default(), DefaultElastic()
	c.Ranks, c.Command, c.Stdout, c.Stderr = ranks, []string{"x"}, newOutput(), newOutput()
	c.Consequence = func(code int) bool { return code == 5 }
	e.Restartable = func(e Exit) bool { return e.Code == 1 }
	e.Departed = func(code int) bool { return code == 6 }
	e.OnEvent = func(event any) { s.log = append(s.log, describe(event)) }
	if change != nil {
		change(&e)
	}
	c.Elastic = &e
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	s.r = newRoster(c)
	s.look()
	return s
}

func describe(event any) string {
	switch e := event.(type) {
	case Restarting:
		return fmt.Sprintf("slot %d again in %v, %d of %d", e.Rank, e.In, e.Number, e.Of)
	case GivenUp:
		return fmt.Sprintf("slot %d given up after %d", e.Rank, e.Restarts)
	case Late:
		return fmt.Sprintf("%d late by %v", e.Ranks, e.After)
	}
	return fmt.Sprint(event)
}

// look has the roster say what to do.
func (s *stage) look() {
	for _, a := range s.r.next(s.now) {
		switch {
		case a.signal != 0:
			s.did = append(s.did, fmt.Sprintf("%v %d", a.signal, a.slot))
		case a.founder:
			s.did = append(s.did, fmt.Sprintf("found %d %s", a.slot, strings.Join(a.join, ",")))
		default:
			s.did = append(s.did, fmt.Sprintf("join %d %s", a.slot, strings.Join(a.join, ",")))
		}
	}
}

// wants compares what the roster has asked for since the last time.
func (s *stage) wants(did ...string) {
	s.t.Helper()
	if !slices.Equal(s.did, did) {
		s.t.Errorf("it asks for %q, want %q", s.did, did)
	}
	s.did = nil
}

// tells compares what has happened to slots since the last time.
func (s *stage) tells(log ...string) {
	s.t.Helper()
	if !slices.Equal(s.log, log) {
		s.t.Errorf("it tells %q, want %q", s.log, log)
	}
	s.log = nil
}

// pass lets time pass, up to each alarm in turn.
func (s *stage) pass(d time.Duration) {
	for end := s.now.Add(d); ; s.look() {
		if s.r.alarm.IsZero() || s.r.alarm.After(end) {
			s.now = end
			s.look()
			return
		}
		s.now = s.r.alarm
	}
}

func (s *stage) announce(slots ...int) {
	for _, n := range slots {
		s.r.announced(n, fmt.Sprint("at", n))
		s.look()
	}
}

func (s *stage) join(slots ...int) {
	for _, n := range slots {
		s.r.joined(n)
		s.look()
	}
}

// end has a slot's process end with a code, 0 or above, or by a signal.
func (s *stage) end(slot, code int) {
	e := Exit{Rank: slot, Slot: true, PID: 100 + slot, Code: code}
	if code != 0 {
		e.Err = new(exec.ExitError)
	}
	s.r.ended(slot, e, s.now)
	s.look()
}

func (s *stage) kill(slot int) {
	s.r.ended(slot, Exit{Rank: slot, Slot: true, PID: 100 + slot, Code: -1, Signal: syscall.SIGKILL, Err: new(exec.ExitError)}, s.now)
	s.look()
}

// begins has so many ranks find each other.
func (s *stage) begins(ranks int) *stage {
	s.announce(0)
	for n := 1; n < ranks; n++ {
		s.announce(n)
	}
	for n := range ranks {
		s.join(n)
	}
	s.did = nil
	return s
}

func (s *stage) resize(to int) error {
	var refused error
	s.r.resize(Resize{Ranks: func(int) (int, error) { return to, nil }, Reply: func(_, _ int, err error) { refused = err }})
	s.look()
	return refused
}

// wantsEnd checks that nothing runs any more, and how the launch has ended: nil for a good end, else the exit of the root cause.
func (s *stage) wantsEnd(slot, code int) {
	s.t.Helper()
	if !s.r.over() {
		s.t.Errorf("it is not over; it asks for %q", s.did)
	}
	var f *Failure
	err := s.r.result()
	switch {
	case code == 0 && err == nil:
	case !errors.As(err, &f) || f.Rank != slot || f.Code != code:
		s.t.Errorf("it ends with %v, want that of slot %d with code %d", err, slot, code)
	}
}

func TestTheFirstBeginsAndTheOthersJoinIt(t *testing.T) {
	s := newStage(t, 3, nil)
	s.wants("found 0 ")
	s.announce(0)
	s.wants("found 1 at0", "found 2 at0")
	s.announce(1, 2)
	s.join(0, 1, 2)
	s.wants()
	s.end(0, 0)
	s.end(2, 0)
	s.end(1, 0)
	s.wants()
	s.tells()
	s.wantsEnd(0, 0)
}

func TestADeadRanksSlotIsFilledByOneThatJoinsTheLiving(t *testing.T) {
	s := newStage(t, 3, nil).begins(3)
	s.kill(0)
	s.wants()
	s.pass(time.Second)
	s.wants("join 0 at1,at2")
	s.tells("slot 0 again in 200ms, 1 of 3")
	s.r.announced(2, "elsewhere")
	s.end(1, 1) // before slot 0 is in the cluster: that one can be joined no more than this one
	s.pass(time.Second)
	s.wants("join 1 elsewhere")
	s.announce(0, 1)
	s.join(0, 1)
	for n := range 3 {
		s.end(n, 0)
	}
	s.wantsEnd(0, 0)
}

func TestBackoffDoublesAndBeginsAnew(t *testing.T) {
	s := newStage(t, 2, func(e *Elastic) { e.MaxRestarts = 100 }).begins(2)
	for _, in := range []string{"200ms", "400ms", "800ms", "1.6s", "3.2s", "6.4s", "10s", "10s"} {
		s.kill(1)
		s.pass(10 * time.Second)
		if says := "again in " + in; !strings.Contains(s.log[len(s.log)-1], says) {
			t.Errorf("%q, want %q", s.log[len(s.log)-1], says)
		}
	}
	s.pass(time.Minute)
	s.kill(1)
	if last := s.log[len(s.log)-1]; !strings.Contains(last, "again in 200ms") {
		t.Errorf("after a minute of life: %q", last)
	}
}

func TestASlotIsGivenUpInTheEnd(t *testing.T) {
	s := newStage(t, 2, nil).begins(2)
	for range 3 {
		s.kill(1)
		s.pass(10 * time.Second)
		s.announce(1)
		s.join(1)
	}
	s.tells("slot 1 again in 200ms, 1 of 3", "slot 1 again in 400ms, 2 of 3", "slot 1 again in 800ms, 3 of 3")
	s.kill(1)
	s.pass(time.Hour)
	s.tells("slot 1 given up after 3")
	s.end(0, 0)
	s.wantsEnd(0, 0)

	s = newStage(t, 2, nil).begins(2)
	for range 10 { // each a window after the one before
		s.kill(1)
		s.pass(10 * time.Minute)
		s.announce(1)
		s.join(1)
	}
	if n := len(s.log); n != 10 || !strings.HasSuffix(s.log[n-1], "in 200ms, 1 of 3") {
		t.Errorf("%q", s.log)
	}
}

// What another try does not mend ends the slot, and the launch where no cluster can come of it.
func TestMistakesAreNotTriedAgain(t *testing.T) {
	for _, code := range []int{2, 3, 4} {
		s := newStage(t, 3, nil)
		s.end(0, code)
		s.wants("found 0 ")
		s.tells()
		s.wantsEnd(0, code)

		s = newStage(t, 3, nil)
		s.announce(0)
		s.did = nil
		s.end(1, code)
		s.wants()
		s.end(2, code)
		s.pass(time.Second)
		s.wants("interrupt 0")
		s.end(0, 130)
		s.wantsEnd(2, code)

		s = newStage(t, 3, nil).begins(3)
		s.kill(1)
		s.pass(time.Second)
		s.end(1, code)
		s.pass(time.Hour)
		s.tells("slot 1 again in 200ms, 1 of 3", "slot 1 given up after 0")
		s.end(0, 0)
		s.end(2, 0)
		s.wantsEnd(0, 0)
	}
}

// Before there is a cluster a slot is filled by one that begins it with the others. Where those look for one that is gone, the next
// brings all together.
func TestFoundersAreReplaced(t *testing.T) {
	s := newStage(t, 3, nil)
	s.announce(0)
	s.kill(1)
	s.pass(time.Second)
	s.wants("found 0 ", "found 1 at0", "found 2 at0", "found 1 at0")
	s.kill(0)
	s.pass(time.Second)
	s.wants()
	s.announce(1)
	s.wants()
	s.announce(2)
	s.wants("found 0 at1,at2")
	s.join(1)
	s.kill(2)
	s.pass(time.Second)
	s.wants("join 2 at1") // slot 0 has yet to say where it is
	s.kill(1)
	s.announce(0, 2)
	s.pass(time.Second)
	s.wants("join 1 at0") // which may be in the cluster
}

func TestAllAreLost(t *testing.T) {
	s := newStage(t, 3, nil).begins(3)
	s.kill(1)
	s.pass(time.Second)
	s.wants("join 1 at0,at2")
	s.kill(0)
	s.kill(2)
	s.wants("interrupt 1") // nobody is left whom it could join
	s.pass(10 * time.Second)
	s.wants("killed 1")
	s.kill(1)
	s.tells("slot 1 again in 200ms, 1 of 3", "slot 0 again in 200ms, 1 of 3")
	s.wantsEnd(2, -1)
}

// A rank that died is the cause of what follows where those are too few who are left; one whose place was taken is not.
func TestTheCauseOfTooFewRanks(t *testing.T) {
	s := newStage(t, 3, func(e *Elastic) { e.MaxRestarts = 1; e.MinRanks = 2 }).begins(3)
	s.kill(2)
	s.pass(time.Second)
	s.announce(2)
	s.join(2)
	s.kill(1)
	s.pass(time.Second)
	s.end(1, 4)
	s.kill(2)
	s.end(0, 5)
	s.wantsEnd(2, -1)

	s = newStage(t, 2, nil).begins(2)
	s.kill(1)
	s.pass(time.Second)
	s.announce(1)
	s.join(1)
	s.end(0, 5)
	s.end(1, 5)
	s.pass(time.Second)
	s.wantsEnd(0, 5)
}

// A joiner that was told of ranks which are gone has looked in vain, and is no mistake; it is also no reason to wait for it in the end.
func TestAJoinerThatFindsNobody(t *testing.T) {
	s := newStage(t, 3, func(e *Elastic) { e.MaxRestarts = 9 }).begins(3)
	s.kill(1)
	s.kill(2)
	s.pass(200 * time.Millisecond)
	s.wants("join 1 at0", "join 2 at0")
	s.announce(1, 2)
	s.join(1)
	s.kill(0)
	s.pass(200 * time.Millisecond)
	s.wants("join 0 at1")
	s.end(2, 4)
	s.pass(time.Second)
	s.wants("join 2 at1")
	s.end(1, 0)
	s.wants("interrupt 0", "interrupt 2")
	s.end(0, 130)
	s.end(2, 4)
	s.wantsEnd(0, 0)
}

func TestADeathAtTheEndIsNoFailure(t *testing.T) {
	s := newStage(t, 3, nil).begins(3)
	s.kill(1)
	s.end(0, 0)
	s.kill(2)
	s.pass(time.Hour)
	s.wants()
	s.wantsEnd(0, 0)

	s = newStage(t, 2, nil).begins(2)
	s.end(0, 0)
	s.end(1, 1) // its own failure, behind the end of the work
	s.wantsEnd(1, 1)
}

// One that the others have finished without is ended, after a while.
func TestOneThatHangsAtTheEndIsEnded(t *testing.T) {
	s := newStage(t, 2, nil).begins(2)
	s.end(0, 0)
	s.pass(14 * time.Second)
	s.wants()
	s.pass(time.Second)
	s.wants("interrupt 1")
	s.tells("1 late by 15s")
	s.pass(5 * time.Second)
	s.wants("killed 1")
	s.kill(1)
	s.wantsEnd(0, 0)
}

func TestARankThatLeavesIsNotReplaced(t *testing.T) {
	s := newStage(t, 3, func(e *Elastic) { e.MinRanks = 2 }).begins(3)
	s.end(1, 6)
	s.pass(time.Hour)
	s.wants()
	s.end(2, 6) // which leaves fewer than there must be
	s.wants("join 1 at0")
	s.tells()
	s.announce(1)
	s.join(1)
	s.end(1, 6)
	s.did = nil
	s.end(0, 6)
	s.wants("interrupt 1")
	s.end(1, 130)
	s.wantsEnd(0, 6)
}

func TestAllLeave(t *testing.T) {
	s := newStage(t, 3, nil).begins(3)
	s.kill(1)
	s.pass(time.Second)
	s.kill(2)
	s.did = nil
	s.r.leave()
	s.look()
	s.wants("terminated 0", "interrupt 1") // and slot 2 stays empty
	s.end(1, 130)
	s.pass(time.Hour)
	s.wants() // how long a rank may take to leave is its own affair
	s.r.stop()
	s.look()
	s.wants("interrupt 0")
	s.end(0, 6)
	s.wantsEnd(0, 6)

	s = newStage(t, 2, nil)
	s.r.leave()
	s.look()
	s.wants("found 0 ", "interrupt 0")
	s.end(0, 130)
	if err := s.r.result(); !s.r.over() || err != ErrLeft {
		t.Errorf("%v", err)
	}

	s = newStage(t, 2, nil).begins(2)
	s.r.leave()
	s.look()
	s.end(0, 6)
	s.end(1, 1) // which did not keep the state
	s.wantsEnd(1, 1)
}

func TestAllAreInterrupted(t *testing.T) {
	s := newStage(t, 3, nil).begins(3)
	s.kill(1)
	s.r.stop()
	s.look()
	s.wants("interrupt 0", "interrupt 2")
	s.end(0, 130)
	s.pass(5 * time.Second)
	s.wants("killed 2")
	s.kill(2)
	s.pass(time.Hour)
	if !s.r.over() {
		t.Error("it goes on")
	}
}

func TestTheNumberOfRanksChanges(t *testing.T) {
	s := newStage(t, 2, func(e *Elastic) { e.MaxRanks = 4 })
	if err := s.resize(3); err == nil || !strings.Contains(err.Error(), "not found each other yet") {
		t.Errorf("before there is a cluster: %v", err)
	}
	s.begins(2)
	if err := s.resize(4); err != nil {
		t.Fatal(err)
	}
	s.wants("join 2 at0,at1", "join 3 at0,at1")
	for to, says := range map[int]string{0: "fewer than the 1 that must stay", 5: "more than the 4 that are allowed"} {
		if err := s.resize(to); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("to %d: %v", to, err)
		}
	}
	s.announce(2)
	s.join(2)
	s.pass(time.Second)
	s.kill(1)
	s.pass(time.Second) // slot 1 is the youngest now
	s.announce(1)
	s.join(1)
	s.did, s.log = nil, nil

	s.resize(3)
	s.wants("interrupt 3") // it is not in the cluster yet
	s.resize(2)
	s.wants("terminated 1")
	s.end(3, 130)
	s.end(1, 6)
	s.pass(time.Hour)
	s.wants()
	s.tells()
	s.kill(2)
	s.resize(1)
	s.pass(time.Hour)
	s.wants() // nor is slot 2 filled again
	s.resize(2)
	s.wants("join 1 at0")
	s.announce(1)
	s.join(1)
	s.end(1, 0)
	if err := s.resize(3); err == nil || !strings.Contains(err.Error(), "about to end") {
		t.Errorf("at the end: %v", err)
	}
	s.end(0, 0)
	s.wantsEnd(0, 0)
}

func TestElasticIsValidated(t *testing.T) {
	for says, change := range map[string]func(*Config, *Elastic){
		"at least 0 ranks":         func(_ *Config, e *Elastic) { e.MinRanks = 0 },
		"at least 3 ranks":         func(_ *Config, e *Elastic) { e.MinRanks = 3 },
		"at most 1 ranks":          func(_ *Config, e *Elastic) { e.MaxRanks = 1 },
		"-1 restarts":              func(_ *Config, e *Elastic) { e.MaxRestarts = -1 },
		"must be positive":         func(_ *Config, e *Elastic) { e.MaxBackoff = 0 },
		"start from DefaultElast":  func(_ *Config, e *Elastic) { e.Departed = nil },
		"hand over no result":      func(c *Config, _ *Elastic) { c.Result = true },
		"cores for 1 ranks, where": func(c *Config, _ *Elastic) { c.Cores = [][]int{{0}} },
	} {
		c, _ := script(2, "")
		e := DefaultElastic()
		c.Elastic = &e
		change(&c, &e)
		if err := c.Validate(); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("want %q, got %v", says, err)
		}
	}
}
