//go:build gpu && cgo

package cuda

import (
	"fmt"
	"slices"

	"ringloom/nn/op"
)

// operands are those of a run.
type operands struct{ dst, src []op.Buffer }

// mask is the operand that Gather.Mask appends.
func (o operands) mask(set bool) uintptr {
	if !set {
		return 0
	}
	return o.src[len(o.src)-1].Device
}

// same compares operands by what a launch depends on.
func (o operands) same(dst, src []op.Buffer) bool {
	equal := func(a, b op.Buffer) bool { return a.Device == b.Device && a.Half == b.Half }
	return len(o.dst) > 0 && slices.EqualFunc(o.dst, dst, equal) && slices.EqualFunc(o.src, src, equal)
}

// check refuses operands that are not in the GPU's memory, too few or too many, or of a type that the kernels do not
// mix.
func (k *kernel) check(o operands) error {
	for _, side := range []struct {
		name    string
		buffers []op.Buffer
		wanted  []op.Operand
	}{{"dst", o.dst, k.dst}, {"src", o.src, k.src}} {
		if len(side.buffers) != len(side.wanted) {
			return fmt.Errorf("cuda: %s takes %d operands in %s, not %d", k.spec.Kind(), len(side.wanted), side.name, len(side.buffers))
		}
		for i, b := range side.buffers {
			if b.Device == 0 {
				return fmt.Errorf("cuda: %s: %s[%d] is not in the GPU's memory", k.spec.Kind(), side.name, i)
			}
			if b.Host != nil && len(b.Host) != side.wanted[i].Len {
				return fmt.Errorf("cuda: %s: %s[%d] has %d elements, not %d", k.spec.Kind(), side.name, i, len(b.Host), side.wanted[i].Len)
			}
			if b.Half != (side.wanted[i].Activation && o.half(k.spec)) {
				return fmt.Errorf("cuda: %s: %s[%d] is of the wrong type", k.spec.Kind(), side.name, i)
			}
		}
	}
	return nil
}

// half says whether the activations among the operands are bfloat16.
func (o operands) half(spec op.Spec) bool {
	dst, src := spec.Operands()
	for i, d := range dst {
		if d.Activation {
			return o.dst[i].Half
		}
	}
	for i, s := range src {
		if s.Activation {
			return o.src[i].Half
		}
	}
	return false
}
