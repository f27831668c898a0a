//go:build gpu && cgo

package cuda

import (
	"errors"
	"fmt"
	"syscall"
	"unsafe"

	"ringloom/nn/cuda/driver"
	"ringloom/nn/op"
)

const float32Bytes = 4

// memory is what a device has allocated: its own, and the mirrors of it on the host.
type memory struct {
	blocks  []uintptr
	mirrors []*mirror
	used    int64 // bytes of blocks
}

// mirror is the host's side of a buffer. The system gives its pages when they are first touched, so that what nobody
// reads on the host, such as an optimizer's moments, takes no memory.
type mirror struct {
	bytes  []byte
	locked bool // in memory, so that the GPU can copy beside the CPU
}

// alignBytes is how sizes are rounded up: cuDNN's fastest kernels read 16 bytes at once, also beyond an odd end.
const alignBytes = 256

func roundUp(bytes int64) int64 { return (bytes + alignBytes - 1) / alignBytes * alignBytes }

// alloc returns uninitialised memory of the GPU.
func (m *memory) alloc(d *Device, bytes int64) (uintptr, error) {
	bytes = max(alignBytes, roundUp(bytes))
	if err := m.allows(d, bytes); err != nil {
		return 0, err
	}
	p, err := d.ctx.Alloc(bytes)
	if err != nil {
		return 0, m.explain(d, bytes, err)
	}
	m.blocks, m.used = append(m.blocks, p), m.used+bytes
	return p, nil
}

// allows says that so much more is over the limit of the options, or nothing.
func (m *memory) allows(d *Device, bytes int64) error {
	if limit := d.opts.MemoryLimit; limit > 0 && m.used+bytes > limit {
		return fmt.Errorf("%s would take %s more than the %s that it has; the limit is %s: use a smaller batch, or raise --device-memory",
			d.Name(), size(bytes), size(m.used), size(limit))
	}
	return nil
}

// explain says what there is where memory has run out.
func (m *memory) explain(d *Device, bytes int64, err error) error {
	if !errors.Is(err, driver.ErrOutOfMemory) {
		return err
	}
	free, total, infoErr := d.ctx.MemInfo()
	if infoErr != nil {
		return errors.Join(err, infoErr)
	}
	return fmt.Errorf("%s has %s free of %s, where %s are needed (%s are in use by this process): use a smaller batch, or end what else uses the GPU: %w",
		d.Name(), size(free), size(total), size(bytes), size(m.used), err)
}

func size(bytes int64) string {
	if bytes >= 1<<30 {
		return fmt.Sprintf("%.2f GiB", float64(bytes)/(1<<30))
	}
	return fmt.Sprintf("%.1f MiB", float64(bytes)/(1<<20))
}

func (m *memory) close(d *Device, keep func(error)) {
	for _, r := range m.mirrors {
		if r.locked {
			keep(d.ctx.UnlockHost(r.bytes))
		}
		keep(syscall.Munmap(r.bytes))
	}
	for _, p := range m.blocks {
		keep(d.ctx.Free(p))
	}
	*m = memory{}
}

// Alloc returns n zeroed elements with a mirror, both aligned to 64 bytes.
func (d *Device) Alloc(n int) (op.Buffer, error) {
	if n < 0 {
		return op.Buffer{}, fmt.Errorf("cuda: cannot allocate %d elements", n)
	}
	b, err := d.AllocLocal(n, false)
	if err != nil || n == 0 {
		return b, err
	}
	if err := d.compute.Fill(b.Device, 0, float32Bytes*int64(n)); err != nil {
		return op.Buffer{}, err
	}
	pages, err := syscall.Mmap(-1, 0, float32Bytes*n, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		return op.Buffer{}, fmt.Errorf("cuda: no memory of the host for %s: %w", size(float32Bytes*int64(n)), err)
	}
	d.memory.mirrors = append(d.memory.mirrors, &mirror{bytes: pages})
	b.Host = unsafe.Slice((*float32)(unsafe.Pointer(&pages[0])), n)
	return b, nil
}

// AllocLocal returns n elements that hold anything, without a mirror.
func (d *Device) AllocLocal(n int, half bool) (op.Buffer, error) {
	if err := d.enter(); err != nil {
		return op.Buffer{}, err
	}
	bytes := float32Bytes * int64(n)
	if half {
		bytes /= 2
	}
	p, err := d.memory.alloc(d, bytes)
	return op.Buffer{Device: p, Half: half}, err
}

// lock keeps the mirror of b in memory, if it is not yet, so that copies of it run beside the CPU.
func (d *Device) lock(b op.Buffer) error {
	at := uintptr(unsafe.Pointer(&b.Host[0]))
	for _, r := range d.memory.mirrors {
		begin := uintptr(unsafe.Pointer(&r.bytes[0]))
		if at < begin || at >= begin+uintptr(len(r.bytes)) {
			continue
		}
		if r.locked {
			return nil
		}
		if err := d.ctx.LockHost(r.bytes); err != nil {
			return fmt.Errorf("keeping %s of the host's memory for copies: %w", size(int64(len(r.bytes))), err)
		}
		r.locked = true
		return nil
	}
	return errors.New("cuda: a buffer whose mirror is not this device's")
}

// scratch is memory that steps use while they run. All of them share it, for they run one after another. Graphs keep
// its addresses, so what has become too small is kept until the device is closed.
type scratch [scratchSlots]struct {
	at    uintptr
	bytes int64
}

// The uses of scratch memory.
const (
	scratchWorkspace = iota // of cuDNN
	scratchA                // an operand in another layout
	scratchB                // a result in another layout
	scratchSums             // parts of sums
	scratchSlots
)

// needs are the sizes in bytes by use.
type needs [scratchSlots]int64

func (n *needs) atLeast(use int, bytes int64) { n[use] = max(n[use], bytes) }

// reserve makes scratch memory large enough.
func (d *Device) reserve(n needs) error {
	for use, bytes := range n {
		s := &d.scratch[use]
		if bytes <= s.bytes {
			continue
		}
		p, err := d.memory.alloc(d, bytes)
		if err != nil {
			return fmt.Errorf("scratch memory: %w", err)
		}
		s.at, s.bytes = p, bytes
	}
	return nil
}
