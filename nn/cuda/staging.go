//go:build gpu && cgo

package cuda

import (
	"errors"
	"fmt"
	"unsafe"

	"ringloom/nn/cuda/driver"
	"ringloom/nn/cuda/kernels"
	"ringloom/nn/op"
)

// staging are pieces of page-locked memory through which values of the caller travel, in turn, so that the caller has
// its memory back at once. Each has a place on the GPU, too, for what is converted there.
type staging struct {
	slots []slot
	next  int
}

type slot struct {
	host   []byte
	device uintptr
	free   *driver.Event // when the copy from host, and what reads device, is done
}

const (
	slotBytes = 4 << 20
	slotCount = 4
)

// take waits until a slot is free. Its memory is made at the first turn.
func (s *staging) take(d *Device) (*slot, error) {
	if len(s.slots) < slotCount {
		t, err := newSlot(d)
		if err != nil {
			return nil, err
		}
		s.slots = append(s.slots, t)
		return &s.slots[len(s.slots)-1], nil
	}
	t := &s.slots[s.next]
	s.next = (s.next + 1) % slotCount
	return t, wait(t.free)
}

func newSlot(d *Device) (t slot, err error) {
	if t.device, err = d.memory.alloc(d, slotBytes); err != nil {
		return t, err
	}
	if t.free, err = d.ctx.NewEvent(false); err != nil {
		return t, err
	}
	if t.host, err = d.ctx.AllocHost(slotBytes); err != nil {
		return t, errors.Join(fmt.Errorf("page-locked memory for copies: %w", err), t.free.Destroy())
	}
	return t, nil
}

func (s *staging) close(d *Device, keep func(error)) {
	for _, t := range s.slots {
		keep(t.free.Destroy())
		keep(d.ctx.FreeHost(t.host))
	}
	*s = staging{}
}

// Put makes dst equal to values.
func (d *Device) Put(dst op.Buffer, values []float32) error {
	if err := d.enter(); err != nil {
		return err
	}
	const most = slotBytes / float32Bytes
	for at := 0; at < len(values); at += most {
		part := values[at:min(at+most, len(values))]
		if err := d.putPart(dst.Slice(at, len(part)), part); err != nil {
			return err
		}
	}
	return nil
}

func (d *Device) putPart(dst op.Buffer, values []float32) error {
	s, err := d.staging.take(d)
	if err != nil {
		return err
	}
	bytes := float32Bytes * int64(len(values))
	copy(unsafe.Slice((*float32)(unsafe.Pointer(&s.host[0])), len(values)), values)
	to := dst.Device
	if dst.Half {
		to = s.device
	}
	if err := d.compute.CopyToDevice(to, unsafe.Pointer(&s.host[0]), bytes); err != nil {
		return err
	}
	if dst.Half {
		if err := d.launchNow("cast_bf16", d.elementwise(len(values)), dst.Device, s.device, int64(len(values))); err != nil {
			return err
		}
	}
	return d.compute.Record(s.free)
}

// Get waits until what was queued is done and copies src to values.
func (d *Device) Get(values []float32, src op.Buffer) error {
	if err := d.enter(); err != nil {
		return err
	}
	const most = slotBytes / float32Bytes
	for at := 0; at < len(values); at += most {
		part := values[at:min(at+most, len(values))]
		if err := d.getPart(part, src.Slice(at, len(part))); err != nil {
			return err
		}
	}
	return nil
}

func (d *Device) getPart(values []float32, src op.Buffer) error {
	s, err := d.staging.take(d)
	if err != nil {
		return err
	}
	from := src.Device
	if src.Half {
		from = s.device
		if err := d.launchNow("uncast_bf16", d.elementwise(len(values)), s.device, src.Device, int64(len(values))); err != nil {
			return err
		}
	}
	if err := d.compute.CopyToHost(unsafe.Pointer(&s.host[0]), from, float32Bytes*int64(len(values))); err != nil {
		return err
	}
	if err := d.compute.Record(s.free); err != nil {
		return err
	}
	if err := wait(s.free); err != nil {
		return err
	}
	copy(values, unsafe.Slice((*float32)(unsafe.Pointer(&s.host[0])), len(values)))
	return nil
}

// tables are a resampling's, on the GPU.
type tables struct{ bounds, weights uintptr }

// PutImages makes dst the pixels of images, resampled there.
func (d *Device) PutImages(dst op.Buffer, images []byte, n, to int, r *op.Resampling) error {
	if err := d.enter(); err != nil {
		return err
	}
	t, err := d.tables(r)
	if err != nil {
		return err
	}
	size := r.From * r.From
	if size > slotBytes || len(images) != n*size {
		return fmt.Errorf("cuda: %d bytes for %d images of %d x %d pixels", len(images), n, r.From, r.From)
	}
	for first, most := 0, slotBytes/size; first < n; first += most {
		count := min(most, n-first)
		s, err := d.staging.take(d)
		if err != nil {
			return err
		}
		copy(s.host, images[first*size:(first+count)*size])
		if err := d.compute.CopyToDevice(s.device, unsafe.Pointer(&s.host[0]), int64(count*size)); err != nil {
			return err
		}
		part := dst.Slice(first*to*to, count*to*to)
		err = d.launchNow("load_pixels"+suffix(dst.Half), kernels.Pixels(count, to, d.info.Multiprocessors),
			part.Device, s.device, int32(count), int32(r.From), int32(to), t.bounds, t.weights, int32(r.Taps))
		if err != nil {
			return err
		}
		if err := d.compute.Record(s.free); err != nil {
			return err
		}
	}
	return nil
}

// tables brings those of r to the GPU at the first use.
func (d *Device) tables(r *op.Resampling) (*tables, error) {
	if t := d.images[r]; t != nil {
		return t, nil
	}
	t := &tables{}
	for _, in := range []struct {
		to     *uintptr
		values []int32
	}{{&t.bounds, r.Bounds}, {&t.weights, r.Weights}} {
		if len(in.values) == 0 { // nothing is resampled
			continue
		}
		b, err := d.AllocLocal(len(in.values), false)
		if err != nil {
			return nil, err
		}
		// The bits are copied as they are.
		if err := d.Put(b, unsafe.Slice((*float32)(unsafe.Pointer(&in.values[0])), len(in.values))); err != nil {
			return nil, err
		}
		*in.to = b.Device
	}
	d.images[r] = t
	return t, nil
}
