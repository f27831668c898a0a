package cluster

import (
	"cmp"
	"container/heap"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// A simulation of elastic jobs in virtual time. Its nodes are the real cores; what it models is the world around them:
// messages (in order between two nodes, delayed, held up by partitions in one direction, lost with a peer that was
// given up), gossip's verdicts, looking after a member, processes that are killed, frozen and go on, skewed clocks, and
// the worker above a node, which trains in a ring and stops some time after its view's end.

// TestSimulation: whatever happens, at no time do two live ranks work in views of which neither follows from the other;
// no rank commits in a view after others count on its having stopped; ranks that go on together are at most one step
// apart; and once all is well again, those who may go on do.
func TestSimulation(t *testing.T) {
	seeds := 10_000
	switch {
	case os.Getenv("RINGLOOM_TEST_LONG") == "1":
		seeds = 1_000_000
	case testing.Short():
		seeds = 1_000
	}
	if seed, err := simulateSeeds(seeds, sound); err != nil {
		t.Errorf("seed %d: %v", seed, err)
	}
}

// TestMutants: the simulation finds each of these faults in a thousand seeds.
func TestMutants(t *testing.T) {
	for _, m := range []mutant{weakQuorum, noFence, shrunkElectorate, valueIgnored, ghostsIgnored, proofsAlways} {
		if seed, err := simulateSeeds(1_000, m); err == nil {
			t.Errorf("mutant %d lives", m)
		} else {
			t.Logf("mutant %d: seed %d: %v", m, seed, err)
		}
	}
}

// simulateSeeds runs seeds until one fails, and gives that.
func simulateSeeds(seeds int, m mutant) (uint64, error) {
	var (
		next   atomic.Uint64
		failed atomic.Bool
		mu     sync.Mutex
		seed   uint64
		found  error
		wg     sync.WaitGroup
	)
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for !failed.Load() {
				s := next.Add(1) - 1
				if s >= uint64(seeds) {
					return
				}
				if err := newSim(s, m, false).run(); err != nil {
					mu.Lock()
					if found == nil || s < seed {
						seed, found = s, err
					}
					mu.Unlock()
					failed.Store(true)
				}
			}
		})
	}
	wg.Wait()
	return seed, found
}

// TestSimulationSeed tells what happens with one seed, for whoever looks into a failure.
func TestSimulationSeed(t *testing.T) {
	text := os.Getenv("RINGLOOM_SIMULATION_SEED")
	if text == "" {
		t.Skip("RINGLOOM_SIMULATION_SEED names no seed, or a seed and a mutant as 12/3")
	}
	var seed uint64
	var m mutant
	if _, err := fmt.Sscanf(text+"/0", "%d/%d", &seed, &m); err != nil {
		t.Fatal(err)
	}
	s := newSim(seed, m, true)
	err := s.run()
	t.Logf("%s\n%v", s.log.String(), err)
}

var simEpoch = time.Date(2024, 5, 1, 12, 0, 0, 0, time.UTC)

const (
	simFaults = 6 * time.Second // how long there are faults
	simCalm   = 45 * time.Second
	simWait   = 10 * time.Minute // for quorum: longer than all, so that only the protocol ends a wait
)

type sim struct {
	rng     *rand.Rand
	mutant  mutant
	at      time.Duration
	events  eventQueue
	count   uint64 // of events so far
	nodes   []*simNode
	links   map[[2]int]*simLink
	calm    bool // no more faults
	settled bool
	digest  Digest
	hash    string
	min     int
	max     int
	step    time.Duration
	tick    time.Duration
	trap    messageKind // somebody dies, freezes or is cut off where it is sent for the trapIn-th time
	trapIn  int
	springs func(from *simNode) // what happens then, instead of something random
	slow    int                 // one message in so many takes long
	parents map[string]string   // of views, by key
	begun   map[string]*simRing
	err     error
	trace   bool
	log     strings.Builder
}

// simNode is a process.
type simNode struct {
	s           *sim
	i           int
	core        *core
	machine     string
	skew        time.Duration
	killed      bool // the node is gone
	restarted   bool // its process lives on as another node
	frozen      bool
	frozenAt    time.Duration
	held        []func() // what happens when it goes on
	alive       map[int]bool
	since       map[int]time.Duration // of gossip's last change of mind about another
	ring        *simRing
	working     bool // Next is not called
	committed   int
	hasState    bool
	beganAt     time.Duration
	leaves      bool
	departed    bool
	view        string
	incarnation int
}

// simRing is the ring of one view: a step completes when all members take part in it.
type simRing struct {
	key        string
	generation uint64
	members    []string
	former     []int
	base       int
	formed     bool
	took       map[int]map[string]bool // who takes part in a step
}

type simLink struct {
	queue   []message
	due     []time.Duration
	blocked bool
	epoch   int
}

type event struct {
	at  time.Duration
	seq uint64
	do  func()
}

type eventQueue []event

func (q eventQueue) Len() int { return len(q) }
func (q eventQueue) Less(i, j int) bool {
	return q[i].at < q[j].at || q[i].at == q[j].at && q[i].seq < q[j].seq
}
func (q eventQueue) Swap(i, j int) { q[i], q[j] = q[j], q[i] }
func (q *eventQueue) Push(x any)   { *q = append(*q, x.(event)) }
func (q *eventQueue) Pop() any {
	old := *q
	e := old[len(old)-1]
	*q = old[:len(old)-1]
	return e
}

func newSim(seed uint64, m mutant, trace bool) *sim {
	s := &sim{
		rng: rand.New(rand.NewPCG(seed, 23)), mutant: m, links: map[[2]int]*simLink{}, digest: Digest{{"model", "lenet"}},
		parents: map[string]string{}, begun: map[string]*simRing{}, trace: trace,
	}
	s.hash = s.digest.hash()
	s.min = 1 + s.rng.IntN(4)/3
	s.max = 4 + s.rng.IntN(3)
	s.step = s.between(20, 200)
	s.tick = s.between(100, 400)
	s.slow = 2 + s.rng.IntN(40)
	s.trap, s.trapIn = []messageKind{msgPrepare, msgPromise, msgChoose, msgChosen, msgView, msgNext}[s.rng.IntN(6)], 1+s.rng.IntN(6)
	size, machines := 2+s.rng.IntN(3), 1+s.rng.IntN(3)
	if s.rng.IntN(3) == 0 {
		machines = 1
	}
	plot := s.rng.IntN(12)
	if plot < 3 {
		machines = 1
	}
	switch plot {
	case 1:
		size = 4
	case 2:
		size = 2
	}
	for range size {
		s.start(size, fmt.Sprint("m", s.rng.IntN(machines)))
	}
	switch plot {
	case 0:
		s.plotGhost(size)
		return s
	case 1:
		s.plotLateWord()
	case 2:
		s.plotJoinUnheard()
	}
	for range s.rng.IntN(3) {
		machine := fmt.Sprint("m", s.rng.IntN(machines))
		s.after(s.between(0, int(simFaults/time.Millisecond)), func() { s.start(0, machine) })
	}
	at := s.between(300, 1500)
	for range 2 + s.rng.IntN(8) {
		s.after(at, s.fault)
		if s.rng.IntN(2) == 0 {
			at += s.between(0, 60)
		} else {
			at += s.between(0, 2500)
		}
		at = min(at, simFaults)
	}
	s.after(simFaults, s.heal)
	return s
}

// plotGhost: a rank is frozen, the others go on, somebody joins, and all others die before the frozen one goes on.
func (s *sim) plotGhost(size int) {
	ghost := s.nodes[s.rng.IntN(size)]
	s.after(s.between(500, 1500), func() { s.freeze(ghost, simFaults) })
	s.after(s.between(1500, 3500), func() { s.start(0, "m0") })
	s.after(s.between(3600, 5500), func() {
		for _, n := range s.nodes[:size] {
			if n != ghost {
				s.after(s.between(0, 100), func() { s.kill(n) })
			}
		}
	})
	s.after(simFaults, s.heal)
}

// plotLateWord: the first half of the ranks decides, and dies with its word on the way.
func (s *sim) plotLateWord() {
	s.trap, s.trapIn, s.slow = msgView, 1, 2
	s.springs = func(from *simNode) {
		s.kill(from)
		for _, n := range s.nodes[:2] {
			s.after(s.between(0, 30), func() { s.kill(n) })
		}
	}
	s.after(s.between(400, 800), func() {
		if n := s.nodes[2]; n.working && !n.frozen && !n.killed {
			n.callNext()
		}
	})
}

// plotJoinUnheard: the first rank lets a node join, and dies before the second has heard of it.
func (s *sim) plotJoinUnheard() {
	s.start(0, "m0")
	s.trap, s.trapIn = msgChoose, 1
	s.springs = func(from *simNode) {
		s.cut(from, s.nodes[1-min(from.i, 1)], true, 2*time.Second)
		s.after(s.between(5, 30), func() { s.kill(from) })
	}
}

// between picks milliseconds.
func (s *sim) between(least, most int) time.Duration {
	return time.Duration(least)*time.Millisecond + time.Duration(s.rng.Int64N(int64(most-least+1)*int64(time.Millisecond)))
}

func (s *sim) after(d time.Duration, do func()) {
	s.count++
	heap.Push(&s.events, event{s.at + d, s.count, do})
}

func (s *sim) say(format string, args ...any) {
	if s.trace {
		fmt.Fprintf(&s.log, "%8.3f "+format+"\n", append([]any{s.at.Seconds()}, args...)...)
	}
}

func (s *sim) fail(format string, args ...any) {
	if s.err == nil {
		s.err = fmt.Errorf("at %v: "+format, append([]any{s.at}, args...)...)
	}
}

func (s *sim) run() error {
	for s.err == nil && !s.settled && len(s.events) > 0 {
		e := heap.Pop(&s.events).(event)
		if e.at > simFaults+simCalm {
			break
		}
		s.at = e.at
		e.do()
	}
	if s.err == nil && !s.settled {
		return s.progress()
	}
	return s.err
}

// settle ends the run once all is as it must be in the end.
func (s *sim) settle() {
	if s.progress() == nil {
		s.settled = true
		return
	}
	s.after(time.Second, s.settle)
}

// start begins a process; size 0 joins a running job.
func (s *sim) start(size int, machine string) *simNode {
	return s.startIn(len(s.nodes)+1, size, machine)
}

// startIn is start in a process that has had a node before.
func (s *sim) startIn(pid, size int, machine string) *simNode {
	i := len(s.nodes)
	n := &simNode{s: s, i: i, machine: machine, skew: s.between(-5000, 5000), alive: map[int]bool{}, since: map[int]time.Duration{}, working: false}
	m := Member{ID: fmt.Sprintf("n%d~0", i), Name: fmt.Sprint("n", i), Birth: simEpoch.Add(time.Duration(i)), Hash: s.hash, Machine: machine, PID: pid, Joiner: size == 0}
	e := newElastic(Config{Elastic: true, WorldSize: size, MinRanks: s.min, MaxRanks: s.max, ElasticWait: simWait})
	e.mutant = s.mutant
	n.core = newCore(n.now(), m, "j", s.digest, size, time.Hour, e)
	s.nodes = append(s.nodes, n)
	s.say("n%d starts on %s", i, machine)
	for _, o := range s.nodes[:i] {
		s.links[[2]int{i, o.i}], s.links[[2]int{o.i, i}] = &simLink{}, &simLink{}
		if !o.killed {
			s.after(s.between(1, 300), func() { n.meet(o) })
			s.after(s.between(1, 300), func() { o.meet(n) })
		}
	}
	s.after(s.between(0, 100), n.ticks)
	s.after(s.between(0, 1000), n.gossip)
	return n
}

func (n *simNode) now() time.Time { return simEpoch.Add(n.s.at + n.skew) }

// input runs something on a node's core, now or when it goes on.
func (n *simNode) input(do func()) {
	switch {
	case n.killed:
	case n.frozen:
		n.held = append(n.held, func() { n.input(do) })
	default:
		do()
		n.perform()
	}
}

func (n *simNode) ticks() {
	if n.killed {
		return
	}
	if !n.frozen {
		n.input(func() { n.core.tick(n.now()) })
	}
	n.s.after(n.s.tick, n.ticks)
}

func (n *simNode) meet(o *simNode) {
	if n.killed || o.killed || n.alive[o.i] {
		return
	}
	n.input(func() {
		n.alive[o.i] = true
		n.core.up(n.now(), o.core.self)
	})
}

// reaches says whether a message from n could arrive at o.
func (n *simNode) reaches(o *simNode) bool {
	return !o.killed && !o.frozen && !n.s.links[[2]int{n.i, o.i}].blocked
}

// gossip finds out, slowly, who is there.
func (n *simNode) gossip() {
	if n.killed {
		return
	}
	for _, o := range n.s.nodes {
		if o == n || n.frozen {
			continue
		}
		ok := n.reaches(o) && o.reaches(n)
		if ok == n.alive[o.i] {
			n.since[o.i] = n.s.at
			continue
		}
		if ok {
			n.meet(o)
		} else if n.s.at-n.since[o.i] >= 4*time.Second {
			n.alive[o.i] = false
			n.s.say("n%d: gossip gives n%d up", n.i, o.i)
			n.input(func() { n.core.down(o.core.self.ID, Silent) })
		}
	}
	n.s.after(time.Second, n.gossip)
}

// perform does what a core wants done.
func (n *simNode) perform() {
	for _, a := range n.core.take() {
		switch a := a.(type) {
		case send:
			n.send(a.to, a.msg)
		case begin:
			n.begin(a.view)
		case end:
			n.s.say("n%d: view ends: %v", n.i, a.cause)
			n.stopSoon()
		case check:
			n.check(n.s.node(a.member.ID))
		case drop:
			n.dropLater(n.s.node(a.member.ID))
		case fail:
			n.s.say("n%d: fails: %v", n.i, a.err)
			if !errors.As(a.err, new(*JobFull)) && !errors.As(a.err, new(*Evicted)) {
				n.s.fail("n%d fails: %v", n.i, a.err)
			}
			n.close(a.err)
		}
	}
	n.outcome()
}

func (s *sim) node(id string) *simNode {
	i := 0
	for _, d := range id[1:strings.IndexByte(id, '~')] {
		i = 10*i + int(d-'0')
	}
	return s.nodes[i]
}

// send queues a message: those of a pair arrive in order, and what is due while the link is cut waits.
func (n *simNode) send(to Member, msg message) {
	o := n.s.node(to.ID)
	if o.killed {
		return
	}
	l := n.s.links[[2]int{n.i, o.i}]
	delay := n.s.between(1, 8)
	if n.s.rng.IntN(n.s.slow) == 0 {
		delay = n.s.between(1, 900)
	}
	due := n.s.at + delay
	if k := len(l.due); k > 0 {
		due = max(due, l.due[k-1]+1)
	}
	if n.s.trace {
		n.s.say("n%d -> n%d: %s", n.i, o.i, summary(msg))
	}
	if n.s.trap == msg.Kind && !n.s.calm && (msg.Kind != msgView || msg.Generation > 1) {
		if n.s.trapIn--; n.s.trapIn == 0 {
			n.s.spring(n, o)
		}
	}
	l.queue, l.due = append(l.queue, msg), append(l.due, due)
	if len(l.queue) == 1 {
		epoch := l.epoch
		n.s.after(due-n.s.at, func() { n.arrive(o, l, epoch) })
	}
}

func describeChoice(v *choice) string {
	if v == nil {
		return ""
	}
	s := ids(v.Members)
	if len(v.Ghosts) > 0 {
		s += " ghosts " + ids(v.Ghosts)
	}
	if v.Idle {
		s += " idle"
	}
	return s
}

func ids(ms []Member) string {
	out := make([]string, len(ms))
	for i, m := range ms {
		out[i] = nameOf(m.ID)
	}
	return strings.Join(out, ",")
}

// arrive delivers the first message of a link, if its receiver can take it and knows the sender.
func (n *simNode) arrive(o *simNode, l *simLink, epoch int) {
	switch {
	case epoch != l.epoch || len(l.queue) == 0 || o.killed:
		return
	case l.blocked || o.frozen || o.core.peers[n.core.self.ID] == nil && !o.core.gone[n.core.self.ID]:
		if n.killed {
			l.clear() // nobody sends it again
			return
		}
		n.s.after(n.s.between(50, 200), func() { n.arrive(o, l, epoch) })
		return
	}
	msg := l.queue[0]
	l.queue, l.due = l.queue[1:], l.due[1:]
	if n.killed {
		l.clear() // one is under way at a time
	}
	if len(l.queue) > 0 {
		n.s.after(max(0, l.due[0]-n.s.at), func() { n.arrive(o, l, epoch) })
	}
	o.input(func() { o.core.receive(o.now(), n.core.self.ID, msg) })
}

func (l *simLink) clear() { l.queue, l.due, l.epoch = nil, nil, l.epoch+1 }

// dropLater forgets what is not delivered soon to a node that was given up.
func (n *simNode) dropLater(o *simNode) {
	l := n.s.links[[2]int{n.i, o.i}]
	n.s.after(dropAfter, func() {
		if n.core.peers[o.core.self.ID] == nil {
			l.clear()
		}
	})
}

// check looks after a node, as Node.evidence does.
func (n *simNode) check(o *simNode) {
	if o == n {
		n.s.fail("n%d looks after itself", n.i)
		return
	}
	delay := n.s.between(1, 60)
	answers := func() bool { return n.reaches(o) && o.reaches(n) && (n.s.calm || n.s.rng.IntN(60) > 0) }
	report := func(by Evidence) {
		n.input(func() { n.core.found(o.core.self.ID, by) })
	}
	n.s.after(delay, func() {
		switch {
		case o.killed && !o.restarted && o.machine == n.machine && n.s.rng.IntN(5) > 0:
			n.s.say("n%d proves n%d dead", n.i, o.i)
			report(Proven)
		case o.killed && !n.s.links[[2]int{n.i, o.i}].blocked && !n.s.links[[2]int{o.i, n.i}].blocked:
			report(Refused)
		case answers():
			report("")
		default:
			n.s.after(askTwice*askSuspect, func() {
				if answers() {
					report("")
				} else {
					n.s.say("n%d finds n%d silent", n.i, o.i)
					report(Silent)
				}
			})
		}
	})
}

// key names a view by all that makes it one.
func (s *sim) key(v View) string { return fmt.Sprintf("%d %s", v.Generation, ids(v.Members)) }

// begin: a view begins; the worker takes up its work.
func (n *simNode) begin(v View) {
	s := n.s
	key := s.key(v)
	s.say("n%d: view %s begins, former %v, dead %d", n.i, key, v.Former, len(v.Dead))
	r := s.begun[key]
	if r == nil {
		r = &simRing{key: key, generation: v.Generation, former: v.Former, took: map[int]map[string]bool{}}
		for _, m := range v.Members {
			r.members = append(r.members, m.ID)
		}
		s.begun[key] = r
	}
	if n.working {
		s.fail("n%d begins view %s while it works in %s", n.i, key, n.view)
	}
	for i, m := range v.Members { // a newcomer may be the first to hear of a view
		if o := s.node(m.ID); v.Generation > 1 && v.Former[i] >= 0 && !o.killed && o.view != key && s.parents[key] == "" {
			s.parents[key] = o.view
		}
	}
	joined := v.Former[v.Rank] < 0 && v.Generation > 1
	if !joined && n.view != "" {
		if p, ok := s.parents[key]; ok && p != n.view {
			s.fail("view %s follows %s and %s", key, p, n.view)
		}
		s.parents[key] = n.view
	}
	if !joined && n.view != "" {
		n.account(v)
	}
	if joined != (n.view == "" && v.Generation > 1) {
		s.fail("n%d in view %s: former %v", n.i, key, v.Former)
	}
	n.view, n.ring, n.working, n.hasState = key, r, true, n.hasState || v.Generation == 1
	n.incarnation++
	n.beganAt = s.at
	for _, o := range s.nodes {
		if o != n && !o.killed && o.working && !s.follows(key, o.view) && !s.follows(o.view, key) {
			s.fail("n%d works in view %s, n%d in %s", n.i, key, o.i, o.view)
		}
	}
	work := n.incarnation
	s.after(s.between(1, 30), func() { n.work(work) })
}

// account checks that the view says of each rank of the former one where it is now, or that it is lost.
func (n *simNode) account(v View) {
	former := n.s.begun[n.view]
	seen := map[string]bool{}
	for rank, r := range v.Former {
		if r >= 0 {
			seen[former.members[r]] = former.members[r] == v.Members[rank].ID
		}
	}
	for _, l := range v.Dead {
		_, twice := seen[l.Member.ID]
		seen[l.Member.ID] = !twice && former.members[l.Rank] == l.Member.ID && l.Kind != ""
	}
	for _, id := range former.members {
		if !seen[id] {
			n.s.fail("n%d in view %s: former %v, dead %v do not account for the ranks of view %s", n.i, n.s.key(v), v.Former, v.Dead, n.view)
		}
	}
}

// follows says whether a view is another one or follows from it.
func (s *sim) follows(view, from string) bool {
	for v := view; v != ""; v = s.parents[v] {
		if v == from {
			return true
		}
	}
	return false
}

// work takes part in steps as long as the view lasts and some time beyond.
func (n *simNode) work(incarnation int) {
	if n.killed || n.incarnation != incarnation || !n.working {
		return
	}
	if n.frozen {
		n.held = append(n.held, func() { n.work(incarnation) })
		return
	}
	s, r := n.s, n.ring
	if !r.formed && !s.form(r) {
		if s.at-n.beganAt > 5*time.Second {
			n.callNext()
			return
		}
		s.after(s.step, func() { n.work(incarnation) })
		return
	}
	if n.core.phase != running {
		return // it stops soon
	}
	if n.core.view.Rank == 0 && n.core.joiners() > 0 || n.leaves {
		n.callNext()
		return
	}
	next := n.committed + 1
	if r.took[next] == nil {
		r.took[next] = map[string]bool{}
	}
	r.took[next][n.core.self.ID] = true
	if len(r.took[next]) < len(r.members) {
		return
	}
	for _, id := range r.members {
		o := s.node(id)
		inc := o.incarnation
		d := s.between(1, 40)
		if s.rng.IntN(20) == 0 {
			d = s.between(1, 1000)
		}
		s.after(d, func() { o.commit(r, next, inc) })
	}
}

// form is the ring's: all members must be here; those behind take what they lack from those who have it.
func (s *sim) form(r *simRing) bool {
	least, most := 1<<30, 0
	for _, id := range r.members {
		o := s.node(id)
		if o.killed || o.frozen || o.ring != r || !o.working {
			return false
		}
		if o.hasState { // one that was admitted into a view that never worked has none
			least, most = min(least, o.committed), max(most, o.committed)
		}
	}
	if least == 1<<30 {
		least, most = 0, 0 // all who had the state are dead: a real job goes on from disk
	}
	if most-least > 1 {
		s.fail("ranks of view %s have committed %d and %d steps", r.key, least, most)
	}
	for _, id := range r.members {
		s.node(id).committed, s.node(id).hasState = most, true
	}
	r.formed, r.base = true, most
	return true
}

// commit is a step's end at one rank: all sums are here.
func (n *simNode) commit(r *simRing, step, incarnation int) {
	if n.frozen && !n.killed {
		n.held = append(n.held, func() { n.commit(r, step, incarnation) })
		return
	}
	if n.killed || !n.working || n.ring != r || n.incarnation != incarnation {
		return // fenced
	}
	for _, later := range n.s.begun {
		if later.generation > r.generation && slices.Contains(later.members, n.core.self.ID) {
			n.s.fail("n%d commits step %d in view %s, and is counted upon in view %s", n.i, step, r.key, later.key)
		}
	}
	n.committed = step
	n.s.after(n.s.step, func() { n.work(incarnation) })
}

// stopSoon: the view has ended; the worker stops at some later time, and calls Next.
func (n *simNode) stopSoon() {
	incarnation := n.incarnation
	d := n.s.between(0, 120)
	if n.s.rng.IntN(5) == 0 {
		d = n.s.between(0, 1500)
	}
	n.s.after(d, func() {
		n.input(func() {
			if n.incarnation == incarnation && n.working {
				n.callNext()
			}
		})
	})
}

func (n *simNode) callNext() {
	n.working = false
	n.s.say("n%d calls Next, leaving %v, committed %d", n.i, n.leaves, n.committed)
	n.core.next(n.now(), n.core.view.Generation, n.leaves)
	n.perform()
}

// outcome ends a node whose Next has failed.
func (n *simNode) outcome() {
	if n.departed || n.working || n.core.view == nil {
		return
	}
	_, err := n.core.nextReached(n.core.view.Generation)
	if err == nil {
		return
	}
	n.s.say("n%d: Next: %v", n.i, err)
	n.close(err)
	n.perform()
}

// close ends a node for good; who was evicted comes back as another.
func (n *simNode) close(err error) {
	n.departed = true
	n.core.bye(n.now())
	comesBack := errors.As(err, new(*Evicted))
	n.s.after(n.s.between(100, 1500), func() {
		n.input(func() {
			n.killed, n.restarted = true, comesBack
			if comesBack {
				n.s.startIn(n.core.self.PID, 0, n.machine)
			}
		})
	})
}

// fault does something bad, or something that a user may do.
func (s *sim) fault() {
	n := s.nodes[s.rng.IntN(len(s.nodes))]
	switch s.rng.IntN(10) {
	case 0, 1, 2:
		s.kill(n)
		if s.rng.IntN(2) == 0 {
			s.after(s.between(10, 3000), func() { s.start(0, n.machine) })
		}
	case 3, 4:
		s.freeze(n, s.between(10, 9000))
	case 5:
		o := s.nodes[s.rng.IntN(len(s.nodes))]
		if o != n {
			s.cut(n, o, s.rng.IntN(2) == 0, s.between(100, 9000))
		}
	case 6: // one against all, or halves
		side := s.rng.IntN(1 << len(s.nodes))
		d := s.between(1000, 12000)
		for _, a := range s.nodes {
			for _, b := range s.nodes {
				if a.i < b.i && side>>a.i&1 != side>>b.i&1 {
					s.cut(a, b, true, d)
				}
			}
		}
	case 7:
		for range 1 + s.rng.IntN(3) {
			s.start(0, n.machine)
		}
	case 8:
		if !n.leaves {
			n.leaves = true
			s.say("n%d wants to leave", n.i)
		}
	case 9: // somebody's ring complains, and it is not clear of whom
		o := s.nodes[s.rng.IntN(len(s.nodes))]
		n.input(func() {
			if n.core.view != nil && o.core.view != nil {
				n.core.suspect(indexOf(n.core.view.Members, o.core.self.ID))
			}
			n.perform()
		})
	}
}

// spring does something bad in the middle of an agreement.
func (s *sim) spring(from, to *simNode) {
	if s.springs != nil {
		s.after(0, func() { s.springs(from) })
		return
	}
	victim, delay := from, s.between(0, 8)
	if s.rng.IntN(3) == 0 {
		victim = to
	}
	switch s.rng.IntN(4) {
	case 0, 1:
		s.after(delay, func() { s.kill(victim) })
	case 2:
		d := s.between(500, 9000)
		s.after(delay, func() { s.freeze(victim, d) })
	case 3:
		for _, o := range s.nodes {
			if o != victim && s.rng.IntN(2) == 0 {
				s.cut(victim, o, s.rng.IntN(2) == 0, s.between(1000, 9000))
			}
		}
	}
}

func (s *sim) kill(n *simNode) {
	if n.killed {
		return
	}
	s.say("n%d is killed", n.i)
	n.killed, n.working = true, false
	for _, o := range s.nodes { // rings notice the end of a connection
		if o != n && !o.killed && s.rng.IntN(4) > 0 {
			s.after(s.between(1, 50), func() {
				o.input(func() {
					if o.core.view != nil {
						o.core.suspect(indexOf(o.core.view.Members, n.core.self.ID))
					}
				})
			})
		}
	}
}

func (s *sim) freeze(n *simNode, d time.Duration) {
	if n.killed || n.frozen {
		return
	}
	s.say("n%d freezes", n.i)
	n.frozen, n.frozenAt = true, s.at
	s.after(d, func() { s.thaw(n) })
}

func (s *sim) thaw(n *simNode) {
	if !n.frozen || n.killed {
		return
	}
	s.say("n%d goes on", n.i)
	n.frozen = false
	gap := s.at - n.frozenAt
	n.input(func() { n.core.slept(n.now(), gap) })
	held := n.held
	n.held = nil
	s.rng.Shuffle(len(held), func(i, j int) { held[i], held[j] = held[j], held[i] })
	for _, do := range held {
		do()
	}
}

func (s *sim) cut(a, b *simNode, both bool, d time.Duration) {
	s.say("n%d to n%d is cut, both ways %v", a.i, b.i, both)
	links := []*simLink{s.links[[2]int{a.i, b.i}]}
	if both {
		links = append(links, s.links[[2]int{b.i, a.i}])
	}
	for _, l := range links {
		l.blocked = true
	}
	s.after(d, func() {
		for _, l := range links {
			l.blocked = false
		}
	})
}

// heal ends all faults.
func (s *sim) heal() {
	s.calm = true
	s.say("all is well")
	for _, l := range s.links {
		l.blocked = false
	}
	for _, n := range slices.Clone(s.nodes) {
		s.thaw(n)
	}
	s.after(3*time.Second, s.settle)
}

// progress says who may go on and has not.
func (s *sim) progress() error {
	for _, n := range s.nodes {
		c := n.core
		if n.killed || n.departed || c.view == nil {
			continue
		}
		if n.working && c.phase == running {
			r := n.ring
			alive := 0
			for _, id := range r.members {
				if o := s.node(id); !o.killed && o.ring == r && o.working {
					alive++
				}
			}
			if alive < len(r.members) {
				return fmt.Errorf("n%d works in view %s, of which %d of %d ranks work", n.i, r.key, alive, len(r.members))
			}
			continue
		}
		if err := s.stuck(n); err != nil {
			return err
		}
	}
	return s.newcomers()
}

// stuck: a node that waits in Next must have a reason.
func (s *sim) stuck(n *simNode) error {
	c := n.core
	here := make([]bool, len(c.view.Members))
	joining, stay := false, 0
	for rank, m := range c.view.Members {
		o := s.node(m.ID)
		here[rank] = !o.killed && !o.departed && o.core.view != nil && s.key(*o.core.view) == s.key(*c.view)
		if here[rank] {
			joining = joining || len(o.core.acceptor.joining) > 0
			if !o.leaves {
				stay++
			}
		}
	}
	proven := func(rank int) bool {
		o := s.node(c.view.Members[rank].ID)
		return o.killed && !o.restarted && slices.ContainsFunc(c.view.Members, func(m Member) bool {
			return here[indexOf(c.view.Members, m.ID)] && s.node(m.ID).machine == o.machine
		})
	}
	if quorum(len(here), func(r int) bool { return here[r] }, proven, !joining, sound) && stay >= c.minRanks {
		return fmt.Errorf("n%d waits in Next after view %s, and could go on; here %v", n.i, s.key(*c.view), here)
	}
	return nil
}

// newcomers must have been admitted where there was room and nothing against it.
func (s *sim) newcomers() error {
	i := slices.IndexFunc(s.nodes, func(n *simNode) bool { return n.working && !n.killed })
	if i < 0 {
		return nil
	}
	top := slices.MaxFunc(s.nodes[i:], func(a, b *simNode) int { return cmp.Compare(a.generation(), b.generation()) })
	if c := top.core; top.working && len(c.view.Members) < s.max && c.mayAdmit() {
		for _, n := range s.nodes {
			if !n.killed && !n.departed && !n.leaves && n.core.phase == forming && n.core.joins {
				return fmt.Errorf("n%d was not admitted into view %s", n.i, top.view)
			}
		}
	}
	return nil
}

func (n *simNode) generation() uint64 {
	if n.killed || !n.working {
		return 0
	}
	return n.core.view.Generation
}
