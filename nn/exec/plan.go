package exec

import (
	"cmp"
	"slices"

	"ringloom/nn"
)

// memory is a stretch of the arena that one value has, or several in turn where operations work in place.
type memory struct{ lifetime }

// plan decides which results share memory and where each lies. It returns all stretches, by first use, their offsets
// in the arena, and its length in elements.
func (l *listing) plan() (all []*memory, offsets []int, total int) {
	// The caller reads the logits after the step.
	end := len(l.Instructions) - 1
	lastUse := map[*nn.Value]int{l.Logits.Root(): end}
	use := func(v *nn.Value, at int) { lastUse[v.Root()] = max(lastUse[v.Root()], at) }
	for at, i := range l.Instructions {
		for _, v := range i.Src {
			use(v, at)
		}
		for _, v := range i.Dst {
			use(v, at)
		}
	}
	for at, i := range l.Instructions {
		operands, _ := i.Spec.Operands()
		for k, v := range i.Dst {
			v = v.Root()
			if l.memory[v] != nil || v.Home.Kind != nn.InArena {
				continue
			}
			if operands[k].InPlace {
				// A source that nobody reads any more gives its memory.
				src := i.Src[0]
				m := l.memory[src]
				if m != nil && src.Of == nil && lastUse[src] == at && src.Len == v.Len && !slices.Contains(i.Src[1:], src) {
					l.memory[v], m.last = m, max(m.last, lastUse[v])
					continue
				}
			}
			m := &memory{lifetime{length: l.float32s(v), first: at, last: lastUse[v]}}
			l.memory[v], all = m, append(all, m)
		}
	}
	lives := make([]lifetime, len(all))
	for i, m := range all {
		lives[i] = m.lifetime
	}
	offsets, total = planArena(lives)
	return all, offsets, total
}

// float32s is the memory that a value needs, in the size of a float32.
func (l *listing) float32s(v *nn.Value) int {
	if l.half[v] {
		return (v.Len + 1) / 2
	}
	return v.Len
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
