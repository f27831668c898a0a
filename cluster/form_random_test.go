package cluster

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// In whatever order nodes learn of each other and messages arrive (in order between two nodes): in the end exactly the
// expected number of nodes have one and the same view, and every other node was told that it is one too many.
func TestFormationInAnyOrder(t *testing.T) {
	for seed := range uint64(2000) {
		rng := rand.New(rand.NewPCG(seed, 7))
		size := 2 + rng.IntN(4)
		count := size + rng.IntN(min(3, size)) // too few for two jobs: those who never hear of each other may form one each
		if err := formRandomly(rng, size, count); err != nil {
			t.Fatalf("seed %d, %d nodes for %d ranks: %v", seed, count, size, err)
		}
	}
}

func formRandomly(rng *rand.Rand, size, count int) error {
	now := time.Date(2024, 5, 1, 12, 0, 0, 0, time.UTC)
	digest := Digest{{"model", "lenet"}}
	nodes := make([]*core, count)
	for i := range nodes {
		m := Member{ID: fmt.Sprintf("%c~0", 'a'+i), Birth: now.Add(time.Duration(i)), Hash: digest.hash()}
		nodes[i] = newCore(now, m, "j", digest, size, time.Minute, elastic{})
	}
	index := func(id string) int { return int(id[0] - 'a') }
	views := make([][]Member, count)
	failures := make([]error, count)
	queues := map[[2]int][]message{} // from, to
	var unseen [][2]int              // who is still to learn of whom
	for i := range nodes {
		for j := range nodes {
			if i != j {
				unseen = append(unseen, [2]int{i, j})
			}
		}
	}
	rng.Shuffle(len(unseen), func(i, j int) { unseen[i], unseen[j] = unseen[j], unseen[i] })
	for {
		for i, c := range nodes {
			for _, a := range c.take() { // what it makes others do is taken in the next round
				switch a := a.(type) {
				case send:
					k := [2]int{i, index(a.to.ID)}
					queues[k] = append(queues[k], a.msg)
				case begin:
					if views[i] != nil || failures[i] != nil {
						return fmt.Errorf("node %d has a second view", i)
					}
					views[i] = a.view.Members
				case fail:
					failures[i] = a.err
					c.bye(now)
					unseen = slices.DeleteFunc(unseen, func(k [2]int) bool { return k[0] == i || k[1] == i })
					for _, o := range nodes { // those it does not know will notice by its silence
						if c.peers[o.self.ID] == nil {
							o.down(c.self.ID, Silent)
						}
					}
				case end:
					return fmt.Errorf("the view of node %d ends: %v", i, a.cause)
				}
			}
		}
		var ready [][2]int // a message waits until its receiver knows its sender
		for k, q := range queues {
			if p := nodes[k[1]].peers[nodes[k[0]].self.ID]; p != nil && len(q) > 0 {
				ready = append(ready, k)
			}
		}
		slices.SortFunc(ready, func(a, b [2]int) int { return (a[0]-b[0])*count + a[1] - b[1] })
		switch {
		case len(unseen) > 0 && (len(ready) == 0 || rng.IntN(3) == 0):
			k := unseen[0]
			unseen = unseen[1:]
			nodes[k[0]].up(now, nodes[k[1]].self)
		case len(ready) > 0:
			k := ready[rng.IntN(len(ready))]
			m := queues[k][0]
			queues[k] = queues[k][1:]
			nodes[k[1]].receive(now, nodes[k[0]].self.ID, m)
		case slices.ContainsFunc(nodes, func(c *core) bool { return len(c.out) > 0 }):
		case pending(nodes):
			return errors.New("some wait for ever")
		default:
			return oneView(size, views, failures)
		}
	}
}

func pending(nodes []*core) bool {
	return slices.ContainsFunc(nodes, func(c *core) bool { return c.phase == forming })
}

func oneView(size int, views [][]Member, failures []error) error {
	var first []Member
	n := 0
	for i, v := range views {
		switch {
		case v == nil && errors.As(failures[i], new(*JobFull)):
		case v == nil:
			return fmt.Errorf("node %d fails with %v", i, failures[i])
		case first != nil && !sameMembers(first, v):
			return fmt.Errorf("two views, %v and %v", first, v)
		case indexOf(v, fmt.Sprintf("%c~0", 'a'+i)) < 0:
			return fmt.Errorf("node %d is not in its view", i)
		default:
			first = v
			n++
		}
	}
	if n != size {
		return fmt.Errorf("%d nodes have the view", n)
	}
	return nil
}
