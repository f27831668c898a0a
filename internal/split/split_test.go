package split

import (
	"math/rand/v2"
	"testing"
)

// check holds Part against what its comment promises, and against the dealing out of items one by one.
func check(t *testing.T, length, parts int) {
	t.Helper()
	sizes := make([]int, parts)
	for item := range length {
		sizes[item%parts]++
	}
	end := 0
	for i, size := range sizes {
		from, to := Part(length, parts, i)
		if from != end || to-from != size {
			t.Fatalf("Part(%d, %d, %d) is [%d, %d), want %d items from %d on", length, parts, i, from, to, size, end)
		}
		end = to
	}
	if end != length {
		t.Fatalf("the %d parts of %d end at %d", parts, length, end)
	}
}

func TestPartsCoverTheSequenceAndDifferByAtMostOne(t *testing.T) {
	for length := range 40 {
		for parts := 1; parts < 50; parts++ {
			check(t, length, parts)
		}
	}
	random := rand.New(rand.NewPCG(1, 2))
	for range 100 {
		check(t, random.IntN(100_000), 1+random.IntN(1000))
	}
}
