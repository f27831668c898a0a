package gradsync

import (
	"math/rand/v2"
	"testing"
)

// Whatever the sizes and the order in which gradients finish, the buckets cover the memory exactly once, and every
// bucket starts exactly once, in order, and not before its last gradient.
func TestBucketsCoverAndStartInOrder(t *testing.T) {
	for seed := range uint64(500) {
		rng := rand.New(rand.NewPCG(seed, 1))
		var params []span
		total := 0
		for range 1 + rng.IntN(12) {
			n := 1 + rng.IntN(400)
			params = append(params, span{total, n, rng.IntN(5) == 0})
			total += n
		}
		plan := divide(params, 4*rng.IntN(600))

		end := total
		for _, b := range plan {
			if b.To != end || b.From >= b.To {
				t.Fatalf("seed %d: bucket %+v does not end at %d", seed, b, end)
			}
			end = b.From
			for p := b.first; p <= b.last; p++ {
				if params[p].apart && b.first != b.last {
					t.Fatalf("seed %d: parameter %d is not apart in bucket %+v", seed, p, b)
				}
			}
		}
		if end != 0 {
			t.Fatalf("seed %d: elements below %d are in no bucket", seed, end)
		}

		flow := newFlow(plan, len(params))
		for range 2 {
			flow.reset()
			opens := rng.IntN(len(params) + 1) // gradients that are final before the losses are announced
			done := make([]bool, len(params))
			started := 0
			for i, p := range rng.Perm(len(params)) {
				flow.open = flow.open || i == opens
				done[p] = true
				flow.ready(p)
				from, to := flow.leaving()
				if from != started || from < to && !flow.open {
					t.Fatalf("seed %d: bucket %d started after %d, open %v", seed, from, started, flow.open)
				}
				for b := from; b < to; b++ {
					for q := plan[b].first; q <= plan[b].last; q++ {
						if !done[q] {
							t.Fatalf("seed %d: bucket %d started without gradient %d", seed, b, q)
						}
					}
				}
				started = to
			}
			flow.open = true
			_, started = flow.leaving()
			if started != len(plan) || !flow.done() {
				t.Fatalf("seed %d: %d of %d buckets started", seed, started, len(plan))
			}
		}
	}
}
