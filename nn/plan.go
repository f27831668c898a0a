package nn

import (
	"cmp"
	"slices"
)

// lifetime is a buffer to be placed in an arena: it is written in step first and last read in step last. Both ends
// count, so a step's result never lies where one of its operands does.
type lifetime struct{ length, first, last int }

// arenaAlign is the granularity of places in the arena: 64 bytes of float32.
const arenaAlign = 16

// planArena gives each buffer an offset such that buffers that live at the same time do not overlap, and the total
// length, all in elements. It places the largest first, each at the lowest offset that is free for its whole life.
func planArena(buffers []lifetime) (offsets []int, total int) {
	order := make([]int, len(buffers))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(buffers[b].length, buffers[a].length) })

	offsets = make([]int, len(buffers))
	var placed []int // by offset
	for _, i := range order {
		b, at := buffers[i], 0
		for _, j := range placed {
			o := buffers[j]
			if o.last < b.first || b.last < o.first {
				continue
			}
			if at+b.length <= offsets[j] {
				break
			}
			at = max(at, alignUp(offsets[j]+o.length))
		}
		offsets[i], total = at, max(total, at+b.length)
		where, _ := slices.BinarySearchFunc(placed, at, func(j, at int) int { return cmp.Compare(offsets[j], at) })
		placed = slices.Insert(placed, where, i)
	}
	return offsets, total
}

func alignUp(n int) int { return (n + arenaAlign - 1) / arenaAlign * arenaAlign }
