package cluster

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

func elasticConfig(t *testing.T, i, size int, join ...string) Config {
	t.Helper()
	c := testConfig(t, i, size, join...)
	c.Elastic, c.ElasticWait = true, patience
	return c
}

func formElastic(t *testing.T, size int, change func(*Config)) ([]*Node, []View) {
	t.Helper()
	nodes := make([]*Node, size)
	for i := range size {
		var join []string
		if i > 0 {
			join = []string{nodes[0].Self().Addr}
		}
		cfg := elasticConfig(t, i, size, join...)
		if change != nil {
			change(&cfg)
		}
		nodes[i] = start(t, cfg)
	}
	return nodes, waitViews(t, nodes)
}

// nextAll calls Next on all of these at once, and expects a view of so many ranks that is the same on all.
func nextAll(t *testing.T, nodes []*Node, after []View, want int) []View {
	t.Helper()
	views := make([]View, len(nodes))
	each(nodes, func(i int, n *Node) {
		v, err := n.Next(within(t), after[i], false)
		if err != nil {
			t.Errorf("node %d: %v", i, err)
		}
		views[i] = v
	})
	for i, v := range views {
		if t.Failed() {
			t.FailNow()
		}
		if v.WorldSize() != want || !sameMembers(v.Members, views[0].Members) || v.Members[v.Rank].ID != nodes[i].Self().ID || v.Cause() != nil {
			t.Fatalf("node %d has rank %d of %v, cause %v; want %d ranks", i, v.Rank, v.Members, v.Cause(), want)
		}
		if err := after[i].Cause(); err == nil {
			t.Errorf("the former view of node %d goes on", i)
		}
	}
	return views
}

func newcomer(t *testing.T, i int, join string) (*Node, <-chan View) {
	t.Helper()
	n := start(t, elasticConfig(t, i, 0, join))
	views := make(chan View, 1)
	go func() {
		v, err := n.WaitView(within(t))
		if err != nil {
			t.Errorf("the newcomer: %v", err)
		}
		views <- v
	}()
	return n, views
}

// A rank dies, whichever it is: the others go on in the next view, and say what became of it.
func TestNextAfterDeath(t *testing.T) {
	t.Parallel()
	for _, victim := range []int{0, 1, 2} {
		t.Run(fmt.Sprintf("rank %d", victim), func(t *testing.T) {
			t.Parallel()
			nodes, views := formElastic(t, 3, nil)
			dead := nodes[victim].Self()
			_ = nodes[victim].Close()
			rest := slices.Delete(slices.Clone(nodes), victim, victim+1)
			restViews := slices.Delete(slices.Clone(views), victim, victim+1)
			for i, n := range rest {
				n.Suspect(victim)
				checkLost(t, waitEnd(t, restViews[i]), dead, victim)
			}
			next := nextAll(t, rest, restViews, 2)
			for i, v := range next {
				if v.Generation != 2 || len(v.Dead) != 1 || v.Dead[0].Rank != victim || v.Dead[0].Member.ID != dead.ID || v.Dead[0].Kind != LossDied {
					t.Errorf("node %d, view %d: dead %+v", i, v.Generation, v.Dead)
				}
				if want := slices.Delete([]int{0, 1, 2}, victim, victim+1); !slices.Equal(v.Former, want) {
					t.Errorf("former ranks %v, want %v", v.Former, want)
				}
			}
			one, err := rest[0].Secret(1)
			other, err2 := rest[1].Secret(0)
			if err != nil || err2 != nil || !slices.Equal(one, other) {
				t.Errorf("the ranks of the new view have different secrets; %v, %v", err, err2)
			}
			each(rest, func(i int, n *Node) {
				if err := n.Finish(within(t)); err != nil {
					t.Errorf("node %d does not finish: %v", i, err)
				}
			})
		})
	}
}

// A node joins: it waits, all see that it does, and the next view has it. It takes no part in deciding what is first.
func TestNextJoin(t *testing.T) {
	t.Parallel()
	nodes, views := formElastic(t, 2, nil)
	late, joined := newcomer(t, 2, nodes[1].Self().Addr)
	for _, n := range nodes {
		for n.Joiners() == 0 {
			time.Sleep(time.Millisecond)
		}
	}
	for i, v := range views {
		if v.Cause() != nil {
			t.Errorf("the view of rank %d has ended: %v", i, v.Cause())
		}
	}
	nextAll(t, nodes, views, 3)
	v := <-joined
	if v.Generation != 2 || v.Rank != 2 || v.Members[2].ID != late.Self().ID || !slices.Equal(v.Former, []int{0, 1, -1}) || len(v.Dead) != 0 {
		t.Errorf("the newcomer has %+v", v)
	}
	if known := late.Known(); len(known) != 3 || known[2] != late.Self().Addr {
		t.Errorf("it knows %v", known)
	}
}

// One member asks for the next view, which ends the view of the others; one of them leaves.
func TestNextLeave(t *testing.T) {
	t.Parallel()
	nodes, views := formElastic(t, 3, nil)
	gone := make(chan error, 1)
	go func() {
		_, err := nodes[0].Next(within(t), views[0], true)
		gone <- err
	}()
	for _, v := range views {
		if err := waitEnd(t, v); !errors.Is(err, ErrViewChange) {
			t.Errorf("the view of rank %d ends with %v", v.Rank, err)
		}
	}
	next := nextAll(t, nodes[1:], views[1:], 2)
	if err := <-gone; !errors.Is(err, ErrDeparted) {
		t.Errorf("the one that leaves gets %v", err)
	}
	if d := next[0].Dead; len(d) != 1 || d[0].Rank != 0 || d[0].Kind != LossLeft {
		t.Errorf("lost %+v", d)
	}
	if err := nodes[0].Leave(within(t)); err != nil {
		t.Error(err)
	}
	_ = nodes[0].Close()
	each(nodes[1:], func(i int, n *Node) {
		if err := n.Finish(within(t)); err != nil {
			t.Errorf("node %d does not finish: %v", i, err)
		}
	})
}

// The second of two ranks does not go on alone without a proof: the process of the first lives.
func TestNextNoQuorum(t *testing.T) {
	t.Parallel()
	nodes, views := formElastic(t, 2, func(c *Config) { c.ElasticWait = 2 * time.Second })
	_ = nodes[0].Close()
	waitEnd(t, views[1])
	_, err := nodes[1].Next(within(t), views[1], false)
	var none *NoQuorum
	if !errors.As(err, &none) || none.Have != 1 || none.Of != 2 || len(none.Missing) != 1 || none.Missing[0].ID != nodes[0].Self().ID || none.MinRanks != 0 {
		t.Fatalf("it gets %v", err)
	}
	if want := "1 of 2 ranks are here after "; !strings.HasPrefix(err.Error(), want) || !strings.Contains(err.Error(), nodes[0].Self().String()) {
		t.Errorf("message %q", err)
	}
}

// Fewer than the least number of ranks wait for a node that joins.
func TestNextMinRanks(t *testing.T) {
	t.Parallel()
	if machine() == "" {
		t.Skip("this system does not say which processes are on the same machine")
	}
	cfg := elasticConfig(t, 0, 2)
	cfg.MinRanks = 2
	n := start(t, cfg)
	child, says := startElasticChild(t, n.Self().Addr)
	v, err := n.WaitView(within(t))
	if err != nil {
		t.Fatal(err)
	}
	expect(t, says, "address ")
	expect(t, says, "view 1 1 2")
	if err := child.Kill(); err != nil {
		t.Fatal(err)
	}
	n.Suspect(1)
	waitEnd(t, v)
	_, joined := newcomer(t, 2, n.Self().Addr)
	next := nextAll(t, []*Node{n}, []View{v}, 2)[0]
	if late := <-joined; !sameMembers(late.Members, next.Members) || !slices.Equal(late.Former, []int{0, -1}) || !slices.Equal(next.Former, late.Former) {
		t.Errorf("views %+v and %+v", next, late)
	}
	if len(next.Dead) != 1 || next.Dead[0].Rank != 1 || next.Dead[0].Kind != LossProven {
		t.Errorf("lost %+v", next.Dead)
	}
}

const elasticChildEnv = "RINGLOOM_CLUSTER_TEST_ELASTIC_CHILD"

// elasticChild is a rank in another process: the older one of two, or the younger. It says which view it has, and comes
// back when it is evicted.
func elasticChild(arg string) error {
	cfg := Default()
	cfg.Job, cfg.Name, cfg.WorldSize, cfg.Elastic, cfg.MinRanks = "test", "child", 2, true, 1
	cfg.Digest = Digest{{"model", "lenet"}, {"seed", "1"}}
	cfg.Birth = time.Unix(1, 0)
	if arg != "oldest" {
		cfg.Join, cfg.Birth = []string{arg}, time.Now().Add(time.Hour)
	}
	ctx := context.Background()
	for {
		n, err := Start(ctx, cfg)
		if err != nil {
			return err
		}
		fmt.Println("address", n.Self().Addr)
		v, err := n.WaitView(ctx)
		for err == nil {
			fmt.Println("view", v.Generation, v.Rank, v.WorldSize())
			<-v.Done()
			v, err = n.Next(ctx, v, false)
		}
		var evicted *Evicted
		if !errors.As(err, &evicted) {
			return err
		}
		fmt.Println("evicted", evicted.Generation)
		_ = n.Leave(ctx)
		_ = n.Close()
		cfg.WorldSize, cfg.Join = 0, []string{evicted.Members[0].Addr}
	}
}

func startElasticChild(t *testing.T, arg string) (*os.Process, *bufio.Reader) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), elasticChildEnv+"="+arg)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	return cmd.Process, bufio.NewReader(out)
}

func expect(t *testing.T, says *bufio.Reader, want string) string {
	t.Helper()
	line, err := says.ReadString('\n')
	if err != nil || !strings.HasPrefix(line, want) {
		t.Fatalf("the child says %q, %v, want %q", line, err, want)
	}
	return strings.TrimSpace(strings.TrimPrefix(line, want))
}

// The second of two ranks goes on alone where the end of the first one's process is proven.
func TestNextProof(t *testing.T) {
	t.Parallel()
	if machine() == "" {
		t.Skip("this system does not say which processes are on the same machine")
	}
	child, says := startElasticChild(t, "oldest")
	cfg := elasticConfig(t, 1, 2, expect(t, says, "address "))
	n := start(t, cfg)
	v, err := n.WaitView(within(t))
	if err != nil || v.Rank != 1 {
		t.Fatalf("rank %d, %v", v.Rank, err)
	}
	expect(t, says, "view 1 0 2")
	if err := child.Kill(); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	n.Suspect(0)
	waitEnd(t, v)
	next := nextAll(t, []*Node{n}, []View{v}, 1)[0]
	t.Logf("the next view after %v", time.Since(began))
	if len(next.Dead) != 1 || next.Dead[0].Kind != LossProven || next.Dead[0].Rank != 0 || !next.Leads() {
		t.Errorf("view %+v", next)
	}
	// Nobody is left who might not know: a node may join.
	_, joined := newcomer(t, 2, n.Self().Addr)
	for n.Joiners() == 0 {
		time.Sleep(time.Millisecond)
	}
	nextAll(t, []*Node{n}, []View{next}, 2)
	if v := <-joined; v.Generation != 3 || v.Rank != 1 {
		t.Errorf("the newcomer has %+v", v)
	}
}

// A rank that is stopped is left out long before gossip gives it up; when it goes on it learns that, and comes back.
func TestNextEvicted(t *testing.T) {
	t.Parallel()
	n := start(t, elasticConfig(t, 0, 2))
	child, says := startElasticChild(t, n.Self().Addr)
	v, err := n.WaitView(within(t))
	if err != nil {
		t.Fatal(err)
	}
	expect(t, says, "address ")
	expect(t, says, "view 1 1 2")
	if err := child.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	for v.Cause() == nil { // the signal takes a moment, in which it may still answer
		n.Suspect(1)
		time.Sleep(10 * time.Millisecond)
	}
	next := nextAll(t, []*Node{n}, []View{v}, 1)[0]
	t.Logf("the next view after %v", time.Since(began))
	if len(next.Dead) != 1 || next.Dead[0].Kind != LossSilent {
		t.Errorf("lost %+v", next.Dead)
	}
	if err := child.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	expect(t, says, "evicted 2")
	expect(t, says, "address ")
	for n.Joiners() == 0 {
		time.Sleep(time.Millisecond)
	}
	nextAll(t, []*Node{n}, []View{next}, 2)
	expect(t, says, "view 3 1 2")
}

// With as many ranks as there may be, a node that joins is refused, and the run goes on; so is one that differs.
func TestNextRefused(t *testing.T) {
	t.Parallel()
	nodes, views := formElastic(t, 2, func(c *Config) { c.MaxRanks = 2 })
	_, err := start(t, elasticConfig(t, 2, 0, nodes[0].Self().Addr)).WaitView(within(t))
	if !errors.As(err, new(*JobFull)) {
		t.Errorf("the third gets %v", err)
	}
	cfg := elasticConfig(t, 3, 0, nodes[0].Self().Addr)
	cfg.Digest = Digest{{"model", "alexnet"}, {"seed", "1"}}
	_, err = start(t, cfg).WaitView(within(t))
	var mismatch *Mismatch
	if !errors.As(err, &mismatch) || len(mismatch.Differences) != 1 {
		t.Errorf("the one that differs gets %v", err)
	}
	for i, v := range views {
		if v.Cause() != nil {
			t.Errorf("the view of rank %d has ended: %v", i, v.Cause())
		}
	}
}

// Without Elastic there is no next view.
func TestNextRigid(t *testing.T) {
	t.Parallel()
	n := start(t, testConfig(t, 0, 1))
	v, err := n.WaitView(within(t))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := n.Next(within(t), v, false); !errors.Is(err, ErrRigid) {
		t.Error(err)
	}
	if v.Cause() != nil {
		t.Errorf("the view has ended: %v", v.Cause())
	}
}
