//go:build gpu && cgo

package cuda

import (
	"fmt"
	"unsafe"
)

// slab is memory outside of Go's for the arguments of launches, which C code follows pointers to.
type slab struct {
	blocks [][]byte
	free   []byte
}

const slabBytes = 1 << 20

// argBytes is the room of one launch's arguments.
const argBytes = 192

func (s *slab) take(d *Device) ([]byte, error) {
	if len(s.free) < argBytes {
		block, err := d.ctx.AllocHost(slabBytes)
		if err != nil {
			return nil, fmt.Errorf("memory for the arguments of kernels: %w", err)
		}
		s.blocks, s.free = append(s.blocks, block), block
	}
	b := s.free[:argBytes:argBytes]
	s.free = s.free[argBytes:]
	return b, nil
}

func (s *slab) close(d *Device, keep func(error)) {
	for _, b := range s.blocks {
		keep(d.ctx.FreeHost(b))
	}
	*s = slab{}
}

// arguments are those of one launch, in memory of a slab.
type arguments struct {
	memory   []byte
	pointers []unsafe.Pointer
}

// set writes the values: uintptr for pointers of the GPU, int32, uint32, float32, int64, poolArgs, convArgs.
func (a *arguments) set(values []any) {
	a.pointers = a.pointers[:0]
	at := 0
	for _, v := range values {
		at = (at + 7) &^ 7
		p := unsafe.Pointer(&a.memory[at])
		switch v := v.(type) {
		case uintptr:
			*(*uintptr)(p) = v
			at += 8
		case int64:
			*(*int64)(p) = v
			at += 8
		case int32:
			*(*int32)(p) = v
			at += 4
		case uint32:
			*(*uint32)(p) = v
			at += 4
		case float32:
			*(*float32)(p) = v
			at += 4
		case poolArgs:
			*(*poolArgs)(p) = v
			at += int(unsafe.Sizeof(v))
		case convArgs:
			*(*convArgs)(p) = v
			at += int(unsafe.Sizeof(v))
		default:
			panic(fmt.Sprintf("cuda: a kernel's argument of type %T", v))
		}
		a.pointers = append(a.pointers, p)
	}
	if at > argBytes {
		panic(fmt.Sprintf("cuda: %d bytes of arguments", at))
	}
}
