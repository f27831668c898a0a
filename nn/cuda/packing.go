//go:build gpu && cgo

package cuda

import (
	"encoding/binary"
	"unsafe"

	"ringloom/nn/cuda/kernels"
	"ringloom/nn/op"
)

// weights are a convolution's, [O, I, HW] in float32, or with HW 1 those of a linear layer. The libraries want them as
// [O, HW, I], and as bfloat16 where the activations are.
type weights struct {
	at       uintptr
	o, i, hw int
	half     bool
}

// plain says that they can be used as they are. cuDNN wants its operands on a 16-byte boundary.
func (w weights) plain() bool { return !w.half && (w.hw == 1 || w.i == 1) && aligned(w.at) }

// cudnnAlign is the alignment in bytes that cuDNN asks of its operands.
const cudnnAlign = 16

func aligned(at uintptr) bool { return at%cudnnAlign == 0 }

func (w weights) len() int { return w.o * w.i * w.hw }

// packedWeights is a copy of weights in the order and type of the libraries. Programs share it: each that uses it fills
// it first.
type packedWeights struct {
	op.Buffer
	weights
}

// pack is the packed copy of w, which is made if there is none yet.
func (d *Device) pack(w weights) (*packedWeights, error) {
	if p := d.packed[w]; p != nil {
		return p, nil
	}
	b, err := d.AllocLocal(w.len(), w.half)
	if err != nil {
		return nil, err
	}
	p := &packedWeights{b, w}
	d.packed[w] = p
	return p, nil
}

// use is where the libraries find w. Unless the pass has packed all its weights, they are packed now.
func (e *emitter) use(w weights) (uintptr, error) {
	if w.plain() {
		return w.at, nil
	}
	p, err := e.device.pack(w)
	if err != nil {
		return 0, err
	}
	if !e.packed {
		table, err := e.device.packTable([]*packedWeights{p})
		if err != nil {
			return 0, err
		}
		e.pack(table)
	}
	return p.Device, nil
}

// packTable is what one launch of pack_weights does, for weights of one type.
type packTable struct {
	at      uintptr
	entries int
	largest int
	half    bool
}

// packEntry mirrors pack_entry of the kernels.
type packEntry struct {
	src, dst    uint64
	o, i, hw, _ int32
}

func (d *Device) packTable(all []*packedWeights) (t packTable, err error) {
	var table []byte
	for _, p := range all {
		entry := packEntry{src: uint64(p.at), dst: uint64(p.Device), o: int32(p.o), i: int32(p.i), hw: int32(p.hw)}
		if table, err = binary.Append(table, binary.LittleEndian, entry); err != nil {
			return t, err
		}
		t.largest, t.half = max(t.largest, p.len()), p.half
	}
	words := unsafe.Slice((*float32)(unsafe.Pointer(&table[0])), len(table)/float32Bytes)
	b, err := d.AllocLocal(len(words), false)
	if err != nil {
		return t, err
	}
	t.at, t.entries = b.Device, len(all)
	return t, d.Put(b, words)
}

func (e *emitter) pack(t packTable) {
	e.launch("pack_weights"+suffix(t.half), kernels.Pack(t.entries, int64(t.largest)), t.at)
}

// weightsOf are the weights that a step multiplies activations with, and the bias that a library may add.
func weightsOf(s op.Step) []weights {
	half := operands{s.Dst, s.Src}.half(s.Spec)
	switch spec := s.Spec.(type) {
	case op.ConvForward:
		all := []weights{convWeights(spec.Conv, s.Src[1], half)}
		if !spec.NoBias {
			all = append(all, biasOf(spec.Conv, s.Src[2]))
		}
		return all
	case op.ConvBackwardData:
		return []weights{convWeights(spec.Conv, s.Src[1], half)}
	case op.LinearForward:
		return []weights{linearWeights(spec.Linear, s.Src[1], half)}
	case op.LinearBackwardData:
		return []weights{linearWeights(spec.Linear, s.Src[1], half)}
	}
	return nil
}

func convWeights(c op.Conv, b op.Buffer, half bool) weights {
	return weights{at: b.Device, o: c.Dst.C, i: c.Src.C, hw: c.KernelH * c.KernelW, half: half}
}

func linearWeights(l op.Linear, b op.Buffer, half bool) weights {
	return weights{at: b.Device, o: l.Out, i: l.In(), hw: 1, half: half}
}

// biasOf is a convolution's bias, which stays float32. It is copied where parameters before it have put it off its
// boundary.
func biasOf(c op.Conv, b op.Buffer) weights {
	return weights{at: b.Device, o: c.Dst.C, i: 1, hw: 1}
}
