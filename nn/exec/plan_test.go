package exec

import (
	"math/rand/v2"
	"testing"
)

func TestArenaBuffersOfOneTimeDoNotOverlap(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		buffers := make([]lifetime, 1+r.IntN(40))
		for i := range buffers {
			first := r.IntN(20)
			buffers[i] = lifetime{1 + r.IntN(100), first, first + r.IntN(8)}
		}
		offsets, total := planArena(buffers)
		for i, a := range buffers {
			if offsets[i]%arenaAlign != 0 || offsets[i] < 0 || offsets[i]+a.length > total {
				t.Fatalf("buffer %d at %d with length %d in %d", i, offsets[i], a.length, total)
			}
			for j, b := range buffers[:i] {
				apart := a.last < b.first || b.last < a.first
				if !apart && offsets[i] < offsets[j]+b.length && offsets[j] < offsets[i]+a.length {
					t.Fatalf("%+v at %d overlaps %+v at %d", a, offsets[i], b, offsets[j])
				}
			}
		}
	}
}

func TestArenaReusesMemory(t *testing.T) {
	chain := []lifetime{{1000, 0, 1}, {1000, 1, 2}, {1000, 2, 3}, {1000, 3, 4}}
	if _, total := planArena(chain); total > 2*alignUp(1000) {
		t.Errorf("a chain of four buffers of 1000 takes %d elements, two would do", total)
	}
	if offsets, total := planArena(nil); len(offsets) != 0 || total != 0 {
		t.Errorf("nothing takes %d elements", total)
	}
}
