package gradsync

import (
	"math/rand/v2"
	"testing"
)

// The whole machine: every verb in every phase, where a dash means that it is out of order.
func TestEveryVerbInEveryPhase(t *testing.T) {
	want := map[verb]string{
		//          idle       computing  announced  summed
		begin:      "computing -          -          -",
		accumulate: "-         computing  -          -",
		announce:   "-         announced  -          -",
		ready:      "-         computing  announced  -",
		flush:      "-         -          announced  -",
		wait:       "-         -          summed     -",
		norm:       "-         -          -          summed",
		commit:     "-         -          -          idle",
		abort:      "idle      idle       idle       idle",
		follow:     "-         -          -          idle",
	}
	for v := begin; v <= follow; v++ {
		got := ""
		for p := idle; p <= summed; p++ {
			cell := "-"
			if after, ok := p.next(v); ok {
				cell = after.String()
			}
			got += cell
			if p < summed {
				width := 11
				if p == idle {
					width = 10
				}
				for range width - len(cell) {
					got += " "
				}
			}
		}
		if got != want[v] {
			t.Errorf("%v:\n got %q\nwant %q", v, got, want[v])
		}
	}
}

// Whatever is called, a commit comes only behind a wait of the same step: no path leads from Begin to Commit without.
func TestNoCommitWithoutItsSums(t *testing.T) {
	for seed := range uint64(2000) {
		rng := rand.New(rand.NewPCG(seed, 1))
		p, waited := idle, false
		for range 40 {
			v := verb(rng.IntN(int(follow) + 1))
			after, ok := p.next(v)
			if !ok {
				continue
			}
			switch v {
			case begin, abort:
				waited = false
			case wait:
				waited = true
			case commit:
				if !waited {
					t.Fatalf("seed %d: committed without the sums", seed)
				}
				waited = false
			}
			p = after
		}
	}
}

func TestAVerbOutOfOrderPanics(t *testing.T) {
	defer func() {
		if r := recover(); r != "gradsync: Commit while the step is announced" {
			t.Errorf("got %v", r)
		}
	}()
	(&Sync{phase: announced}).enter(commit)
}
