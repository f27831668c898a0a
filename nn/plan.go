package nn

import (
	"cmp"
	"slices"
)

// memory is a stretch of the arena that one value has, or several in turn where operations work in place.
type memory struct{ lifetime }

// plan decides which results share memory and where each lies. It returns all stretches, by first use, their offsets
// in the arena, and its length in elements.
func (l *listing) plan() (all []*memory, offsets []int, total int) {
	// The caller reads the logits after the step.
	end := len(l.instrs) - 1
	lastUse := map[*value]int{root(l.logits): end}
	use := func(v *value, at int) { lastUse[root(v)] = max(lastUse[root(v)], at) }
	for at, i := range l.instrs {
		for _, v := range i.src {
			use(v, at)
		}
		for _, v := range i.dst {
			use(v, at)
		}
	}
	for at, i := range l.instrs {
		for k, v := range i.dst {
			v = root(v)
			if v.mem != nil || v.home.kind != inArena {
				continue
			}
			if k == 0 && InPlace(i.spec) && !Updates(i.spec, 0) {
				// A source that nobody reads any more gives its memory.
				src := i.src[0]
				if src.of == nil && src.mem != nil && lastUse[src] == at && src.length == v.length && !slices.Contains(i.src[1:], src) {
					v.mem = src.mem
					v.mem.last = max(v.mem.last, lastUse[v])
					continue
				}
			}
			v.mem = &memory{lifetime{length: v.float32s(), first: at, last: lastUse[v]}}
			all = append(all, v.mem)
		}
	}
	lives := make([]lifetime, len(all))
	for i, m := range all {
		lives[i] = m.lifetime
	}
	offsets, total = planArena(lives)
	return all, offsets, total
}

// float32s is the memory that the value needs, in the size of a float32.
func (v *value) float32s() int {
	if v.half {
		return (v.length + 1) / 2
	}
	return v.length
}

// root is the value that v is a part of, or v itself.
func root(v *value) *value {
	if v.of != nil {
		return v.of
	}
	return v
}

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
