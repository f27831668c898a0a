package allreduce

import (
	"math/rand/v2"
	"slices"
	"testing"

	"ringloom/allreduce/codec"
)

// network runs the machines of a ring without goroutines. Frames wait on each edge in order; a seeded draw chooses
// which edge moves next, so that every interleaving can occur and be repeated.
type network struct {
	machines []*machine
	edges    map[edge][][]byte
	random   *rand.Rand
}

type edge struct {
	to   int
	from Peer
}

func newNetwork(cfg Config, seed uint64) *network {
	n := &network{edges: map[edge][][]byte{}, random: rand.New(rand.NewPCG(seed, 1))}
	for r := range cfg.WorldSize {
		cfg.Rank = r
		n.machines = append(n.machines, newMachine(cfg, 0, func([]byte) {}))
	}
	return n
}

// move lets one random machine send or one random edge deliver; false when nothing can move.
func (n *network) move(t *testing.T) bool {
	for _, r := range n.random.Perm(len(n.machines)) {
		m := n.machines[r]
		for _, step := range n.random.Perm(3) {
			if step == 2 {
				if to, frame, ok := m.next(func(Peer) []byte { return make([]byte, 0, m.cfg.FrameBytes()) }); ok {
					e := edge{to: m.rankOf(to), from: 1 - to}
					n.edges[e] = append(n.edges[e], frame)
					return true
				}
				continue
			}
			e := edge{to: r, from: Peer(step)}
			if q := n.edges[e]; len(q) > 0 {
				n.edges[e] = q[1:]
				if err := m.receive(e.from, arrival{frame: q[0]}); err != nil {
					t.Fatal(err)
				}
				return true
			}
		}
	}
	return false
}

func (n *network) inFlight() int {
	frames := 0
	for _, q := range n.edges {
		frames = max(frames, len(q))
	}
	return frames
}

func TestNoInterleavingDeadlocksOrExceedsTheWindow(t *testing.T) {
	seeds := uint64(1500)
	if testing.Short() {
		seeds = 200
	}
	for seed := range seeds {
		cfg := DefaultConfig()
		cfg.WorldSize = 2 + int(seed%5)
		cfg.ChunkBytes, cfg.WindowBytes = 16, 16*(2+int(seed%7))
		n := newNetwork(cfg, seed)
		random := rand.New(rand.NewPCG(seed, 2))
		const ops = 6
		var lengths, kinds []int
		for range ops {
			lengths = append(lengths, random.IntN(60))
			kinds = append(kinds, random.IntN(6))
		}
		finished := make([]int, cfg.WorldSize)
		started := make([]int, cfg.WorldSize)
		sums := make([][][]float32, ops)
		for {
			r := random.IntN(cfg.WorldSize)
			// A rank starts at most two collectives ahead of what it has finished, as a trainer that waits does.
			if started[r] < ops && started[r] < finished[r]+2 && random.IntN(4) == 0 {
				k := started[r]
				o := testOperation(kinds[k], lengths[k], r, cfg.WorldSize, k)
				sums[k] = append(sums[k], o.vector)
				if err := n.machines[r].start(o); err != nil {
					t.Fatal(err)
				}
				started[r]++
			}
			moved := n.move(t)
			if got := n.inFlight(); got > cfg.WindowFrames() {
				t.Fatalf("seed %d: %d frames in flight, window %d", seed, got, cfg.WindowFrames())
			}
			for r, m := range n.machines {
				for m.finished() != nil {
					finished[r]++
				}
			}
			if !moved && slices.Min(started) == ops {
				break
			}
		}
		if slices.Min(finished) != ops {
			t.Fatalf("seed %d: stuck with %v of %d finished", seed, finished, ops)
		}
		for k := range sums {
			if kinds[k] >= 4 { // after half of a sum the ranks hold different parts
				continue
			}
			for _, v := range sums[k] {
				if !slices.Equal(v, sums[k][0]) {
					t.Fatalf("seed %d: ranks differ in collective %d", seed, k)
				}
			}
		}
	}
}

func testOperation(kind, length, rank, size, k int) *operation {
	v := make([]float32, length)
	for i := range v {
		v[i] = float32(i*size + rank)
	}
	switch kind {
	case 0:
		return &operation{kind: opAllReduce, format: codec.Formats()[k%4], vector: v, bucket: uint32(k)}
	case 1:
		return &operation{kind: opBroadcast, format: codec.Float32, vector: v, root: k % size}
	case 2:
		blocks := make([][]byte, size)
		blocks[rank] = make([]byte, rank*length)
		return &operation{kind: opAllGatherBytes, blocks: blocks}
	case 3:
		return &operation{kind: opBarrier}
	case 4:
		return &operation{kind: opReduceScatter, format: codec.Formats()[k%4], vector: v, bucket: uint32(k)}
	}
	return &operation{kind: opAllGather, format: codec.Float32, vector: v, bucket: uint32(k)}
}
