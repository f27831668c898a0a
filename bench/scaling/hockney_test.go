package scaling

import (
	"math"
	"testing"
)

var testLink = link{alpha: 30e-6, beta: 1e-9}

func TestRingTime(t *testing.T) {
	// 4 ranks, 8 MB: 6 messages of 2 MB.
	if got, want := ringTime(4, 8e6, testLink), 6*(30e-6+2e-3); !near(got, want, 1e-12) {
		t.Errorf("got %g, want %g", got, want)
	}
	if got := ringTime(1, 8e6, testLink); got != 0 {
		t.Errorf("one rank sums nothing, got %g", got)
	}
}

func TestHierarchicalRing(t *testing.T) {
	const bytes = 8e6
	for _, group := range []int{1, 64} {
		if got, want := hierarchicalTime(64, group, bytes, testLink, testLink), ringTime(64, bytes, testLink); !near(got, want, 1e-12) {
			t.Errorf("groups of %d of 64 are a plain ring: got %g, want %g", group, got, want)
		}
	}
	// Over equal links it moves what the ring moves, in fewer messages: 2(8-1) + 2(8-1) and not 2(64-1).
	got := hierarchicalTime(64, 8, bytes, testLink, testLink)
	if want := ringTime(64, bytes, link{0, testLink.beta}) + 28*testLink.alpha; !near(got, want, 1e-12) {
		t.Errorf("got %g, want %g", got, want)
	}
	fast := hierarchicalTime(64, 8, bytes, link{1e-6, 1e-11}, testLink)
	if want := ringTime(8, bytes, link{1e-6, 1e-11}) + ringTime(8, bytes/8, testLink); !near(fast, want, 1e-12) {
		t.Errorf("a fast node: got %g, want %g", fast, want)
	}
}

func TestDoubleTreeIsTheBestNumberOfBlocks(t *testing.T) {
	for _, bytes := range []float64{1e3, 1e5, 1e7, 1e9} {
		for _, n := range []int{2, 8, 100, 4096} {
			height := math.Ceil(math.Log2(float64(n)))
			best := math.Inf(1)
			for k := 1.0; k <= 1e5; k++ {
				best = min(best, 4*(height+k)*testLink.send(bytes/(2*k)))
			}
			if got := doubleTreeTime(n, bytes, testLink); got < best*(1-1e-12) || got > best*1.03 {
				t.Errorf("%d ranks, %g bytes: got %g, by trying %g", n, bytes, got, best)
			}
			// Sanders, Speck and Träff: beta n + 2 alpha log p + sqrt(8 alpha beta n log p) each way, where blocks are
			// many.
			paper := 2 * (testLink.beta*bytes + 2*testLink.alpha*height + math.Sqrt(8*testLink.alpha*testLink.beta*bytes*height))
			if got := doubleTreeTime(n, bytes, testLink); bytes >= 1e7 && !near(got, paper, 0.01) {
				t.Errorf("%d ranks, %g bytes: got %g, by the paper %g", n, bytes, got, paper)
			}
		}
	}
	if got := doubleTreeTime(8, 1e6, link{0, 1e-9}); !near(got, 2e-3, 1e-4) {
		t.Errorf("without latency only the bytes count: got %g", got)
	}
}

func TestTreeBeatsRingWhereLatencyCounts(t *testing.T) {
	if tree, ring := doubleTreeTime(4096, 1e5, testLink), ringTime(4096, 1e5, testLink); tree > ring/20 {
		t.Errorf("4096 ranks, 100 kB: tree %g, ring %g", tree, ring)
	}
	if tree, ring := doubleTreeTime(8, 1e9, testLink), ringTime(8, 1e9, testLink); tree < ring {
		t.Errorf("8 ranks, 1 GB: tree %g, ring %g", tree, ring)
	}
}
