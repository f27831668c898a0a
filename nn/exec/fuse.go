package exec

import (
	"slices"

	"ringloom/nn"
	"ringloom/nn/op"
)

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
func (l *listing) index(i *nn.Instruction) int { return slices.Index(l.Instructions, i) }

// writers are the operations that write v itself, in order.
func (l *listing) writers(v *nn.Value) (all []*nn.Instruction) {
	for _, i := range l.Instructions {
		if slices.Contains(i.Dst, v) {
			all = append(all, i)
		}
	}
	return all
}

// writer is the operation that makes v, if it is one alone and v is its first result in the arena.
func (l *listing) writer(v *nn.Value) *nn.Instruction {
	w := l.writers(v)
	if len(w) != 1 || w[0].Dst[0] != v || v.Home.Kind != nn.InArena || v.Of != nil {
		return nil
	}
	return w[0]
}

// readers are the operations that read v or a part of it, in order.
func (l *listing) readers(v *nn.Value) (all []*nn.Instruction) {
	for _, i := range l.Instructions {
		if slices.ContainsFunc(i.Src, func(s *nn.Value) bool { return s == v || s.Of == v }) {
			all = append(all, i)
		}
	}
	return all
}

// only is the one operation that reads v, or nil; the caller of a step reads the logits.
func (l *listing) only(v *nn.Value) *nn.Instruction {
	if r := l.readers(v); len(r) == 1 && v != l.Logits && v != l.Loss {
		return r[0]
	}
	return nil
}

func (l *listing) remove(i *nn.Instruction) {
	at := l.index(i)
	l.Instructions = slices.Delete(l.Instructions, at, at+1)
}

// rename makes old and v one value: what reads or writes old, reads or writes v.
func (l *listing) rename(old, v *nn.Value) {
	l.replace(old, v)
	for _, i := range l.Instructions {
		for k, d := range i.Dst {
			if d == old {
				i.Dst[k] = v
			}
		}
	}
}

// replace lets everything that reads old read v.
func (l *listing) replace(old, v *nn.Value) {
	for _, i := range l.Instructions {
		for k, s := range i.Src {
			if s == old {
				i.Src[k] = v
			} else if s.Of == old {
				s.Of = v
			}
		}
	}
	if l.Logits == old {
		l.Logits = v
	}
}

func (l *listing) fuseReLU() {
	for _, i := range slices.Clone(l.Instructions) {
		if _, ok := i.Spec.(op.ReLUForward); !ok {
			continue
		}
		x := i.Src[0]
		before := l.writer(x)
		if before == nil || l.only(x) != i {
			continue
		}
		switch s := before.Spec.(type) {
		case op.ConvForward:
			s.ReLU = true
			before.Spec = s
		case op.LinearForward:
			s.ReLU = true
			before.Spec = s
		case op.BatchNormForward:
			s.ReLU = true
			before.Spec = s
		case op.BatchNormInference:
			s.ReLU = true
			before.Spec = s
		case op.Add:
			s.ReLU = true
			before.Spec = s
		default:
			continue
		}
		before.Dst[0] = i.Dst[0]
		l.remove(i)
	}
}

// withGather changes the Gather of a spec that has one; nil where it has none.
func withGather(spec op.Spec, change func(*op.Gather)) op.Spec {
	switch s := spec.(type) {
	case op.ConvBackwardData:
		change(&s.Gather)
		return s
	case op.LinearBackwardData:
		change(&s.Gather)
		return s
	case op.AvgPoolBackward:
		change(&s.Gather)
		return s
	case op.MaxPoolBackward:
		change(&s.Gather)
		return s
	case op.BatchNormBackward:
		change(&s.Gather)
		return s
	}
	return nil
}

// accumulate removes the additions that Gorgonia makes where a value has several readers.
func (l *listing) accumulate() {
	for _, sum := range slices.Clone(l.Instructions) {
		if _, ok := sum.Spec.(op.Add); !ok || !sum.Backward {
			continue
		}
		base, other := sum.Src[0], sum.Src[1]
		if len(l.writers(base)) == 0 || len(l.writers(other)) == 0 {
			continue
		}
		if l.index(l.writers(other)[0]) < l.index(l.writers(base)[0]) {
			base, other = other, base
		}
		late := l.writer(other)
		if late == nil || l.only(other) != sum || base.Home.Kind != nn.InArena || base.Of != nil {
			continue
		}
		// Whatever else reads the base must have done so.
		at := l.index(late)
		if slices.ContainsFunc(l.readers(base), func(r *nn.Instruction) bool { return r != sum && l.index(r) >= at }) {
			continue
		}
		spec := withGather(late.Spec, func(g *op.Gather) { g.Accumulate = true })
		if spec == nil {
			continue
		}
		late.Spec, late.Dst[0] = spec, base
		l.remove(sum)
		l.rename(sum.Dst[0], base)
	}
}

// maskConcatenations looks for a gradient all of whose parts go through the masks of a concatenation's parts.
func (l *listing) maskConcatenations() {
	for _, i := range slices.Clone(l.Instructions) {
		if c, ok := i.Spec.(op.ChannelCopy); !ok || i.Src[0].Of == nil || c.Dst.Pitch != 0 || l.index(i) < 0 {
			continue
		}
		grad := i.Src[0].Of
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
			l.rename(m.Dst[0], m.Src[0])
		}
		masked := &nn.Value{Len: grad.Len}
		l.replace(grad, masked)
		l.Instructions = slices.Insert(l.Instructions, first, reluBackward(masked, grad, whole))
	}
}

// reluBackward makes dx the gradient dy where the ReLU's result y is positive.
func reluBackward(dx, dy, y *nn.Value) *nn.Instruction {
	return &nn.Instruction{
		Spec: op.ReLUBackward{Len: dy.Len}, Dst: []*nn.Value{dx}, Src: []*nn.Value{dy, y}, Backward: true, Sync: -1,
	}
}

// concatenationMasked returns the concatenation and the masks of its parts, if every reader of grad copies a part of
// it which is then masked by the same part of one concatenation; nil otherwise.
func (l *listing) concatenationMasked(grad *nn.Value) (whole *nn.Value, masks []*nn.Instruction) {
	covered := 0
	for _, r := range l.readers(grad) {
		c, ok := r.Spec.(op.ChannelCopy)
		if !ok || r.Src[0].Of != grad {
			return nil, nil
		}
		mask := l.only(r.Dst[0])
		if mask == nil {
			return nil, nil
		}
		if _, ok := mask.Spec.(op.ReLUBackward); !ok || mask.Src[0] != r.Dst[0] {
			return nil, nil
		}
		part := l.concatenated(mask.Src[1], r.Src[0].At)
		if part == nil || whole != nil && whole != part {
			return nil, nil
		}
		whole, masks = part, append(masks, mask)
		covered += c.Dst.Len()
	}
	if whole == nil || covered != grad.Len || whole.Len != grad.Len {
		return nil, nil
	}
	return whole, masks
}

// concatenated is the value that y is copied to as the channels from at on, or nil.
func (l *listing) concatenated(y *nn.Value, at int) *nn.Value {
	for _, r := range l.readers(y) {
		_, ok := r.Spec.(op.ChannelCopy)
		if to := r.Dst[0]; ok && !r.Backward && r.Src[0] == y && to.Of != nil && to.At == at {
			return to.Of
		}
	}
	return nil
}

func (l *listing) maskBehindPooling() {
	for _, mask := range slices.Clone(l.Instructions) {
		if _, ok := mask.Spec.(op.ReLUBackward); !ok {
			continue
		}
		back := l.writer(mask.Src[0])
		if back == nil || l.only(mask.Src[0]) != mask {
			continue
		}
		p, ok := back.Spec.(op.MaxPoolBackward)
		if !ok || p.Accumulate || p.Mask {
			continue
		}
		forward := l.poolingOf(mask.Src[1], back.Src[1])
		if forward == nil {
			continue
		}
		dy, masked := back.Src[0], &nn.Value{Len: back.Src[0].Len}
		back.Src[0] = masked
		at := l.index(back)
		l.remove(mask)
		l.rename(mask.Dst[0], mask.Src[0])
		l.Instructions = slices.Insert(l.Instructions, at, reluBackward(masked, dy, forward.Dst[0]))
	}
}

// poolingOf is the max pooling of x that wrote where.
func (l *listing) poolingOf(x, where *nn.Value) *nn.Instruction {
	for _, r := range l.readers(x) {
		if _, ok := r.Spec.(op.MaxPoolForward); ok && slices.Contains(r.Dst, where) {
			return r
		}
	}
	return nil
}

// fuseMasks makes masks part of the operations that they follow: of the last one, where several accumulate.
func (l *listing) fuseMasks() {
	for _, mask := range slices.Clone(l.Instructions) {
		if _, ok := mask.Spec.(op.ReLUBackward); !ok {
			continue
		}
		grad := mask.Src[0]
		w := l.writers(grad)
		if l.only(grad) != mask || len(w) == 0 || grad.Home.Kind != nn.InArena || grad.Of != nil {
			continue
		}
		last := w[len(w)-1]
		spec := withGather(last.Spec, func(g *op.Gather) { g.Mask = true })
		if d, ok := last.Spec.(op.Dropout); ok && !d.Mask {
			d.Mask = true
			spec = d
		}
		if spec == nil || last.Dst[0] != grad {
			continue
		}
		last.Spec, last.Src = spec, append(last.Src, mask.Src[1])
		l.remove(mask)
		l.rename(mask.Dst[0], grad)
	}
}

func (l *listing) writeThrough() {
	for _, move := range slices.Clone(l.Instructions) {
		c, ok := move.Spec.(op.ChannelCopy)
		if !ok || move.Dst[0].Of == nil || move.Src[0].Of != nil {
			continue
		}
		conv := l.writer(move.Src[0])
		if conv == nil || l.only(move.Src[0]) != move {
			continue
		}
		s, ok := conv.Spec.(op.ConvForward)
		if !ok {
			continue
		}
		s.Dst.Pitch = c.Dst.Pitch
		conv.Spec, conv.Dst[0] = s, move.Dst[0]
		l.remove(move)
	}
}

func (l *listing) readThrough() {
	for _, move := range slices.Clone(l.Instructions) {
		c, ok := move.Spec.(op.ChannelCopy)
		if !ok || move.Src[0].Of == nil || move.Dst[0].Of != nil {
			continue
		}
		if l.writer(move.Dst[0]) != move { // something accumulates to the copy
			continue
		}
		readers := l.readers(move.Dst[0])
		if slices.ContainsFunc(readers, func(r *nn.Instruction) bool {
			return r.Src[0] != move.Dst[0] || withPitch(r.Spec, 1) == nil
		}) {
			continue
		}
		for _, r := range readers {
			r.Spec, r.Src[0] = withPitch(r.Spec, c.Src.Pitch), move.Src[0]
		}
		l.remove(move)
	}
}

// withPitch sets the pitch of dy in a convolution's gradients; nil for other specs.
func withPitch(spec op.Spec, pitch int) op.Spec {
	switch s := spec.(type) {
	case op.ConvBackwardData:
		s.Dst.Pitch = pitch
		return s
	case op.ConvBackwardWeights:
		s.Dst.Pitch = pitch
		return s
	}
	return nil
}
