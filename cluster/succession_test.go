package cluster

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// Ranks as text: "110" is 0 and 1 of three.
func ranks(s string) func(int) bool { return func(r int) bool { return s[r] == '1' } }

func TestQuorum(t *testing.T) {
	for _, c := range []struct {
		agreed, proven string
		proofs, want   bool
		because        string
	}{
		{"1", "0", true, true, "one of one"},
		{"10", "00", true, true, "half with rank 0"},
		{"01", "00", true, false, "half without rank 0"},
		{"01", "10", true, true, "all but the proven dead"},
		{"01", "10", false, false, "proofs do not count"},
		{"011", "000", true, true, "more than half"},
		{"100", "000", true, false, "a third with rank 0"},
		{"001", "110", true, true, "all but the proven dead"},
		{"001", "100", true, false, "one is neither here nor proven dead"},
		{"1100", "0000", false, true, "half with rank 0"},
		{"0011", "0000", false, false, "half without rank 0"},
		{"0011", "1100", true, true, "all but the proven dead"},
		{"0000", "1111", true, false, "nobody"},
	} {
		if got := quorum(len(c.agreed), ranks(c.agreed), ranks(c.proven), c.proofs, sound); got != c.want {
			t.Errorf("agreed %s, proven dead %s: %v, want %v: %s", c.agreed, c.proven, got, c.want, c.because)
		}
	}
}

// Any two quorums without proofs have a member in common; that is what keeps two decisions of a generation apart.
func TestQuorumsMeet(t *testing.T) {
	set := func(bits int) func(int) bool { return func(r int) bool { return bits>>r&1 == 1 } }
	nobody := func(int) bool { return false }
	for n := 1; n <= 7; n++ {
		for a := range 1 << n {
			for b := range 1 << n {
				if a&b == 0 && quorum(n, set(a), nobody, true, sound) && quorum(n, set(b), nobody, true, sound) {
					t.Errorf("of %d ranks, %b and %b are both quorums", n, a, b)
				}
			}
		}
	}
}

func TestAcceptor(t *testing.T) {
	var a acceptor
	low, middle, high := ballot{1, 2}, ballot{1, 3}, ballot{2, 0}
	v := &choice{}
	if !a.promise(low, true) || len(a.joiningBefore(low)) > 0 {
		t.Errorf("after the first promise %+v", a)
	}
	if !a.promise(low, true) || len(a.joiningBefore(low)) > 0 {
		t.Errorf("after the same ballot again %+v", a)
	}
	if !a.promise(middle, true) || !slices.Equal(a.joiningBefore(middle), []ballot{low}) {
		t.Errorf("after another candidate's ballot %+v", a)
	}
	if !a.promise(high, false) || !slices.Equal(a.joiningBefore(high), []ballot{low, middle}) {
		t.Errorf("after a higher ballot %+v", a)
	}
	if a.promise(low, false) || a.accept(low, v) || a.value != nil {
		t.Errorf("a lower ballot is taken: %+v", a)
	}
	if !a.accept(high, v) || a.accepted != high || a.value != v {
		t.Errorf("after accepting %+v", a)
	}
	if ballot := (ballot{2, 1}); !a.accept(ballot, v) || a.promised != ballot {
		t.Errorf("a ballot that is accepted is promised: %+v", a)
	}
}

// Proofs do not stand in for promises where nodes may have joined in a ballot whose outcome nobody here knows.
func TestProofsCount(t *testing.T) {
	v := &choice{}
	for _, c := range []struct {
		because  string
		promises map[int]promise
		want     bool
	}{
		{"no ballot let nodes join", map[int]promise{1: {}, 2: {}}, true},
		{"rank 0, which is not here, may have let some join", map[int]promise{1: {joining: []ballot{{1, 0}}}, 2: {joining: []ballot{{1, 0}}}}, false},
		{"rank 2 has not promised rank 0, so nobody was let in", map[int]promise{1: {joining: []ballot{{1, 0}}}, 2: {}}, true},
		{"rank 2 may have promised the lower one of rank 0", map[int]promise{1: {joining: []ballot{{1, 0}}}, 2: {joining: []ballot{{2, 0}}}}, false},
		{"what rank 0 proposed is known", map[int]promise{1: {joining: []ballot{{1, 0}}}, 2: {joining: []ballot{{1, 0}}, accepted: ballot{1, 0}, value: v}}, true},
		{"rank 1 is here, and has proposed nothing", map[int]promise{1: {joining: []ballot{{1, 1}}}, 2: {joining: []ballot{{1, 1}}}}, true},
		{"rank 1 has proposed nothing, and what rank 0 did is not known", map[int]promise{1: {joining: []ballot{{1, 0}, {2, 1}}}, 2: {joining: []ballot{{1, 0}}}}, false},
		{"only an older value is known", map[int]promise{1: {joining: []ballot{{2, 0}}, accepted: ballot{1, 1}, value: v}}, false},
	} {
		k := candidacy{promises: c.promises}
		if got := k.proofsCount(); got != c.want {
			t.Errorf("%s: %v", c.because, got)
		}
	}
}

func TestChoiceValid(t *testing.T) {
	m := func(names ...string) (out []Member) {
		for _, n := range names {
			out = append(out, Member{ID: n + "~0"})
		}
		return out
	}
	for _, c := range []struct {
		v    *choice
		want bool
	}{
		{nil, false},
		{&choice{}, true},
		{&choice{Members: m("a", "b"), Former: []int{0, -1}}, true},
		{&choice{Members: m("a", "b"), Former: []int{0}}, false},
		{&choice{Members: m("a", "a"), Former: []int{0, 1}}, false},
		{&choice{Members: m("a"), Former: []int{0}, Ghosts: m("a")}, false},
		{&choice{Members: []Member{{ID: "a b"}}, Former: []int{0}}, false},
		{&choice{Members: m(slices.Collect(func(yield func(string) bool) {
			for i := range 2*mostElasticRanks + 1 {
				yield(fmt.Sprint("n", i))
			}
		})...), Former: make([]int, 2*mostElasticRanks+1)}, false},
	} {
		if got := c.v.valid(); got != c.want {
			t.Errorf("%+v: %v", c.v, got)
		}
	}
}

// elasticCore is a core in view 1 of a, b, c, ..., each on the machine that is named, itself being one of them.
func elasticCore(t *testing.T, self int, machines ...string) *core {
	t.Helper()
	now := time.Date(2024, 5, 1, 12, 0, 0, 0, time.UTC)
	d := Digest{{"model", "lenet"}}
	var members []Member
	for i, machine := range machines {
		members = append(members, Member{ID: fmt.Sprintf("%c~0", 'a'+i), Birth: now.Add(time.Duration(i)), Hash: d.hash(), Machine: machine})
	}
	e := newElastic(Config{Elastic: true, WorldSize: len(machines), ElasticWait: time.Minute})
	c := newCore(now, members[self], "j", d, len(machines), time.Minute, e)
	for i, m := range members {
		if i != self {
			c.up(now, m)
		}
	}
	c.beginView(&proposal{members: members, generation: 1})
	c.take()
	return c
}

// What a member that is proven dead has sent before arrives in vain: others may have gone on without it, by the proof.
func TestProvenDeadUnheard(t *testing.T) {
	c := elasticCore(t, 2, "m", "m", "m", "m")
	now := c.clock
	c.next(now, 1, false)
	c.receive(now, "b~0", message{Kind: msgPrepare, Generation: 1, Ballot: ballot{2, 1}, Proven: []string{"a~0"}})
	v := &choice{Members: c.view.Members, Former: []int{0, 1, 2, 3}}
	c.take()
	c.receive(now, "a~0", message{Kind: msgChoose, Generation: 1, Ballot: ballot{3, 0}, Choice: v})
	c.receive(now, "a~0", message{Kind: msgView, Generation: 2, Ballot: ballot{1, 0}, Choice: v})
	if out := c.take(); len(out) > 0 || c.view.Generation != 1 || c.acceptor.value != nil {
		t.Errorf("it does %v, in view %d", out, c.view.Generation)
	}
}

// A member promises nothing before its own Next, then answers the highest ballot that has come.
func TestFence(t *testing.T) {
	c := elasticCore(t, 1, "m", "m", "m")
	now := c.clock
	c.receive(now, "a~0", message{Kind: msgPrepare, Generation: 1, Ballot: ballot{1, 0}})
	if out := c.take(); len(out) != 1 || out[0] != (action)(end{ErrViewChange}) {
		t.Errorf("before Next it does %v", out)
	}
	c.receive(now, "c~0", message{Kind: msgPrepare, Generation: 1, Ballot: ballot{1, 2}})
	c.next(now, 1, true)
	var promises []message
	for _, a := range c.take() {
		if s, ok := a.(send); ok && s.msg.Kind == msgPromise {
			promises = append(promises, s.msg)
			if s.to.ID != "c~0" {
				t.Errorf("it promises %s", s.to.ID)
			}
		}
	}
	if len(promises) != 1 || promises[0].Ballot != (ballot{1, 2}) || !promises[0].Leaving {
		t.Errorf("after Next it promises %+v", promises)
	}
}

// Nobody joins while a former member may live without knowing of the view, unless a member is on a machine where no such
// ghost is: then none of them can prove that one dead and go on alone.
func TestMayAdmit(t *testing.T) {
	for _, c := range []struct {
		machines, ghosts string
		proven           bool
		want             bool
	}{
		{"mm", "", false, true},
		{"mm", "m", false, false},
		{"mm", "m", true, true},
		{"mn", "m", false, true},
		{"mn", "mn", false, false},
		{"mm", "n", false, true},
	} {
		k := elasticCore(t, 0, strings.Split(c.machines, "")...)
		var ghosts []Member
		for i, m := range strings.Split(c.ghosts, "") {
			ghosts = append(ghosts, Member{ID: fmt.Sprintf("g%d~0", i), Machine: m})
		}
		if c.ghosts == "" {
			ghosts = nil
		}
		k.agreed = decision{generation: 1, choice: &choice{Members: k.view.Members, Former: make([]int, len(c.machines)), Ghosts: ghosts}}
		if c.proven {
			k.found("g0~0", Proven)
		}
		if got := k.mayAdmit(); got != c.want {
			t.Errorf("members on %q, ghosts on %q, proven dead %v: %v", c.machines, c.ghosts, c.proven, got)
		}
	}
}

func TestNoQuorumSays(t *testing.T) {
	c := elasticCore(t, 1, "m", "m", "m")
	c.next(c.clock, 1, false)
	c.down("a~0", Silent)
	c.down("c~0", Refused)
	c.tick(c.clock.Add(time.Minute))
	_, err := c.nextReached(1)
	if want := "1 of 3 ranks are here after 1m0s, too few to be sure that the others do not go on by themselves; missing: "; err == nil || !strings.HasPrefix(err.Error(), want) {
		t.Errorf("it says %v", err)
	}
}
