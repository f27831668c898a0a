package nn

import "slices"

// Fusion rewrites a listing so that fewer passes over memory give the same numbers. The rules, in their order:
//
//   - ReLU joins the operation before it.
//   - A sum over branches becomes accumulation: a later gradient is added where an earlier one lies.
//   - The gradient of a ReLU whose result was concatenated is taken of the concatenation at once.
//   - The gradient of a ReLU that was max-pooled is taken behind the pooling, where the image is smaller: the largest
//     of a window is positive if and only if the element that the gradient goes back to is.
//   - The gradient of a ReLU joins the operation that makes its operand, as that one's mask.
//   - A convolution writes straight into the concatenation that it is a part of, and the gradients of such a
//     convolution read straight from the gradient of the concatenation. An accelerator's convolutions want their
//     operands dense: there the part of the gradient is copied once, rather than by each of its readers.
func (l *listing) fuse(accelerated bool) {
	l.fuseReLU()
	l.accumulate()
	l.maskConcatenations()
	l.maskBehindPooling()
	l.fuseMasks()
	l.writeThrough()
	if !accelerated {
		l.readThrough()
	}
}

// index of an operation; -1 for nil.
func (l *listing) index(i *instr) int { return slices.Index(l.instrs, i) }

// writers are the operations that write v itself, in order.
func (l *listing) writers(v *value) (all []*instr) {
	for _, i := range l.instrs {
		if slices.Contains(i.dst, v) {
			all = append(all, i)
		}
	}
	return all
}

// writer is the operation that makes v, if it is one alone and v is its first result in the arena.
func (l *listing) writer(v *value) *instr {
	w := l.writers(v)
	if len(w) != 1 || w[0].dst[0] != v || v.home.kind != inArena || v.of != nil {
		return nil
	}
	return w[0]
}

// readers are the operations that read v or a part of it, in order.
func (l *listing) readers(v *value) (all []*instr) {
	for _, i := range l.instrs {
		if slices.ContainsFunc(i.src, func(s *value) bool { return s == v || s.of == v }) {
			all = append(all, i)
		}
	}
	return all
}

// only is the one operation that reads v, or nil; the caller of a step reads the logits.
func (l *listing) only(v *value) *instr {
	if r := l.readers(v); len(r) == 1 && v != l.logits && v != l.loss {
		return r[0]
	}
	return nil
}

func (l *listing) remove(i *instr) {
	at := l.index(i)
	l.instrs = slices.Delete(l.instrs, at, at+1)
}

// rename makes old and v one value: what reads or writes old, reads or writes v.
func (l *listing) rename(old, v *value) {
	l.replace(old, v)
	for _, i := range l.instrs {
		for k, d := range i.dst {
			if d == old {
				i.dst[k] = v
			}
		}
	}
}

// replace lets everything that reads old read v.
func (l *listing) replace(old, v *value) {
	for _, i := range l.instrs {
		for k, s := range i.src {
			if s == old {
				i.src[k] = v
			} else if s.of == old {
				s.of = v
			}
		}
	}
	if l.logits == old {
		l.logits = v
	}
}

func (l *listing) fuseReLU() {
	for _, i := range slices.Clone(l.instrs) {
		if _, ok := i.spec.(ReLUForward); !ok {
			continue
		}
		x := i.src[0]
		before := l.writer(x)
		if before == nil || l.only(x) != i {
			continue
		}
		switch s := before.spec.(type) {
		case ConvForward:
			s.ReLU = true
			before.spec = s
		case LinearForward:
			s.ReLU = true
			before.spec = s
		case BatchNormForward:
			s.ReLU = true
			before.spec = s
		case BatchNormInference:
			s.ReLU = true
			before.spec = s
		case Add:
			s.ReLU = true
			before.spec = s
		default:
			continue
		}
		before.dst[0] = i.dst[0]
		l.remove(i)
	}
}

// withGather changes the Gather of a spec that has one; nil where it has none.
func withGather(spec Spec, change func(*Gather)) Spec {
	switch s := spec.(type) {
	case ConvBackwardData:
		change(&s.Gather)
		return s
	case LinearBackwardData:
		change(&s.Gather)
		return s
	case AvgPoolBackward:
		change(&s.Gather)
		return s
	case MaxPoolBackward:
		change(&s.Gather)
		return s
	case BatchNormBackward:
		change(&s.Gather)
		return s
	}
	return nil
}

// accumulate removes the additions that Gorgonia makes where a value has several readers.
func (l *listing) accumulate() {
	for _, sum := range slices.Clone(l.instrs) {
		if _, ok := sum.spec.(Add); !ok || !sum.backward {
			continue
		}
		base, other := sum.src[0], sum.src[1]
		if len(l.writers(base)) == 0 || len(l.writers(other)) == 0 {
			continue
		}
		if l.index(l.writers(other)[0]) < l.index(l.writers(base)[0]) {
			base, other = other, base
		}
		late := l.writer(other)
		if late == nil || l.only(other) != sum || base.home.kind != inArena || base.of != nil {
			continue
		}
		// Whatever else reads the base must have done so.
		at := l.index(late)
		if slices.ContainsFunc(l.readers(base), func(r *instr) bool { return r != sum && l.index(r) >= at }) {
			continue
		}
		spec := withGather(late.spec, func(g *Gather) { g.Accumulate = true })
		if spec == nil {
			continue
		}
		late.spec, late.dst[0] = spec, base
		l.remove(sum)
		l.rename(sum.dst[0], base)
	}
}

// maskConcatenations looks for a gradient all of whose parts go through the masks of a concatenation's parts.
func (l *listing) maskConcatenations() {
	for _, i := range slices.Clone(l.instrs) {
		if c, ok := i.spec.(ChannelCopy); !ok || i.src[0].of == nil || c.Dst.Pitch != 0 || l.index(i) < 0 {
			continue
		}
		grad := i.src[0].of
		whole, masks := l.concatenationMasked(grad)
		if whole == nil {
			continue
		}
		first := l.index(l.readers(grad)[0])
		if w := l.writers(grad); l.index(w[len(w)-1]) > first {
			continue
		}
		for _, m := range masks {
			l.remove(m)
			l.rename(m.dst[0], m.src[0])
		}
		masked := &value{length: grad.length}
		l.replace(grad, masked)
		l.instrs = slices.Insert(l.instrs, first, &instr{
			spec: ReLUBackward{grad.length}, dst: []*value{masked}, src: []*value{grad, whole}, backward: true, sync: -1,
		})
	}
}

// concatenationMasked returns the concatenation and the masks of its parts, if every reader of grad copies a part of
// it which is then masked by the same part of one concatenation; nil otherwise.
func (l *listing) concatenationMasked(grad *value) (whole *value, masks []*instr) {
	covered := 0
	for _, r := range l.readers(grad) {
		c, ok := r.spec.(ChannelCopy)
		if !ok || r.src[0].of != grad {
			return nil, nil
		}
		mask := l.only(r.dst[0])
		if mask == nil {
			return nil, nil
		}
		if _, ok := mask.spec.(ReLUBackward); !ok || mask.src[0] != r.dst[0] {
			return nil, nil
		}
		part := l.concatenated(mask.src[1], r.src[0].at)
		if part == nil || whole != nil && whole != part {
			return nil, nil
		}
		whole, masks = part, append(masks, mask)
		covered += c.Dst.Len()
	}
	if whole == nil || covered != grad.length || whole.length != grad.length {
		return nil, nil
	}
	return whole, masks
}

// concatenated is the value that y is copied to as the channels from at on, or nil.
func (l *listing) concatenated(y *value, at int) *value {
	for _, r := range l.readers(y) {
		if _, ok := r.spec.(ChannelCopy); ok && !r.backward && r.src[0] == y && r.dst[0].of != nil && r.dst[0].at == at {
			return r.dst[0].of
		}
	}
	return nil
}

func (l *listing) maskBehindPooling() {
	for _, mask := range slices.Clone(l.instrs) {
		if _, ok := mask.spec.(ReLUBackward); !ok {
			continue
		}
		back := l.writer(mask.src[0])
		if back == nil || l.only(mask.src[0]) != mask {
			continue
		}
		p, ok := back.spec.(MaxPoolBackward)
		if !ok || p.Accumulate || p.Mask {
			continue
		}
		forward := l.poolingOf(mask.src[1], back.src[1])
		if forward == nil {
			continue
		}
		dy, masked := back.src[0], &value{length: back.src[0].length}
		back.src[0] = masked
		at := l.index(back)
		l.remove(mask)
		l.rename(mask.dst[0], mask.src[0])
		l.instrs = slices.Insert(l.instrs, at, &instr{
			spec: ReLUBackward{dy.length}, dst: []*value{masked}, src: []*value{dy, forward.dst[0]}, backward: true, sync: -1,
		})
	}
}

// poolingOf is the max pooling of x that wrote where.
func (l *listing) poolingOf(x, where *value) *instr {
	for _, r := range l.readers(x) {
		if _, ok := r.spec.(MaxPoolForward); ok && slices.Contains(r.dst, where) {
			return r
		}
	}
	return nil
}

// fuseMasks makes masks part of the operations that they follow: of the last one, where several accumulate.
func (l *listing) fuseMasks() {
	for _, mask := range slices.Clone(l.instrs) {
		if _, ok := mask.spec.(ReLUBackward); !ok {
			continue
		}
		grad := mask.src[0]
		w := l.writers(grad)
		if l.only(grad) != mask || len(w) == 0 || grad.home.kind != inArena || grad.of != nil {
			continue
		}
		last := w[len(w)-1]
		spec := withGather(last.spec, func(g *Gather) { g.Mask = true })
		if d, ok := last.spec.(Dropout); ok && !d.Mask {
			d.Mask = true
			spec = d
		}
		if spec == nil || last.dst[0] != grad {
			continue
		}
		last.spec, last.src = spec, append(last.src, mask.src[1])
		l.remove(mask)
		l.rename(mask.dst[0], grad)
	}
}

func (l *listing) writeThrough() {
	for _, move := range slices.Clone(l.instrs) {
		c, ok := move.spec.(ChannelCopy)
		if !ok || move.dst[0].of == nil || move.src[0].of != nil {
			continue
		}
		conv := l.writer(move.src[0])
		if conv == nil || l.only(move.src[0]) != move {
			continue
		}
		s, ok := conv.spec.(ConvForward)
		if !ok {
			continue
		}
		s.Dst.Pitch = c.Dst.Pitch
		conv.spec, conv.dst[0] = s, move.dst[0]
		l.remove(move)
	}
}

func (l *listing) readThrough() {
	for _, move := range slices.Clone(l.instrs) {
		c, ok := move.spec.(ChannelCopy)
		if !ok || move.src[0].of == nil || move.dst[0].of != nil {
			continue
		}
		if l.writer(move.dst[0]) != move { // something accumulates to the copy
			continue
		}
		readers := l.readers(move.dst[0])
		if slices.ContainsFunc(readers, func(r *instr) bool { return r.src[0] != move.dst[0] || withPitch(r.spec, 1) == nil }) {
			continue
		}
		for _, r := range readers {
			r.spec, r.src[0] = withPitch(r.spec, c.Src.Pitch), move.src[0]
		}
		l.remove(move)
	}
}

// withPitch sets the pitch of dy in a convolution's gradients; nil for other specs.
func withPitch(spec Spec, pitch int) Spec {
	switch s := spec.(type) {
	case ConvBackwardData:
		s.Dst.Pitch = pitch
		return s
	case ConvBackwardWeights:
		s.Dst.Pitch = pitch
		return s
	}
	return nil
}
