package train

import "testing"

func TestDropoutKeysAreUnique(t *testing.T) {
	seen := map[uint64][4]int{}
	for seed := range 3 {
		for _, rank := range []int{0, 1, 2, 3, 255, 256, 65535} {
			for _, step := range []int{0, 1, 2, 3, 255, 256, 65535, 65536, 1<<32 - 1} {
				for _, micro := range []int{0, 1, 2, 3, 255, 256, 65535} {
					key, at := dropoutKey(uint64(seed), rank, step, micro), [4]int{seed, rank, step, micro}
					if other, twice := seen[key]; twice {
						t.Fatalf("%v and %v share a key", other, at)
					}
					seen[key] = at
				}
			}
		}
	}
}

// The device uses the two halves of a key apart, so each must change from step to step.
func TestDropoutKeysDifferInBothHalves(t *testing.T) {
	low, high := map[uint32]bool{}, map[uint32]bool{}
	for step := range 1000 {
		key := dropoutKey(1, 0, step, 0)
		low[uint32(key)], high[uint32(key>>32)] = true, true
	}
	if len(low) != 1000 || len(high) != 1000 {
		t.Errorf("1000 steps have %d low and %d high halves", len(low), len(high))
	}
}
