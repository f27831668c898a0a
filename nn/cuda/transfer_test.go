//go:build gpu && cgo

package cuda

import (
	"slices"
	"testing"

	"ringloom/data"
	"ringloom/nn/op"
)

// TestCopiesBesideTheCompute pulls a buffer, changes it on the host as a ring does, pushes it back and computes with
// it, many times over: each must see what the one before has left.
func TestCopiesBesideTheCompute(t *testing.T) {
	locked(t, Options{}, func(d *Device) {
		const n, rounds = 10_000, 20
		grads, sum := alloc(t, d, n), alloc(t, d, n)
		add, err := d.Compile(op.Add{Len: n})
		if err != nil {
			t.Fatal(err)
		}
		for i := range grads.Host {
			grads.Host[i] = 1
		}
		if err := d.StartPush(grads); err != nil {
			t.Fatal(err)
		}
		for range rounds {
			if err := add.Run([]op.Buffer{sum}, []op.Buffer{sum, grads}); err != nil {
				t.Fatal(err)
			}
			half := grads.Slice(n/2, n/2)
			pulled, err := d.StartPull(half)
			if err != nil {
				t.Fatal(err)
			}
			if err := pulled.Wait(); err != nil {
				t.Fatal(err)
			}
			for i := range half.Host {
				half.Host[i]++
			}
			if err := d.StartPush(half); err != nil {
				t.Fatal(err)
			}
		}
		if err := op.Pull(d, sum); err != nil {
			t.Fatal(err)
		}
		if want := float32(rounds * (rounds + 1) / 2); sum.Host[0] != rounds || sum.Host[n-1] != want {
			t.Errorf("sums %v and %v, want %v and %v", sum.Host[0], sum.Host[n-1], rounds, want)
		}
	})
}

func alloc(t *testing.T, d *Device, n int) op.Buffer {
	t.Helper()
	b, err := d.Alloc(n)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestPutAndGet moves more than all slots of the staging hold, to a place and back.
func TestPutAndGet(t *testing.T) {
	locked(t, Options{}, func(d *Device) {
		n := (slotCount+1)*slotBytes/float32Bytes + 17
		values := make([]float32, n)
		for i := range values {
			values[i] = float32(i % 251) // bfloat16 has these exactly
		}
		for _, half := range []bool{false, true} {
			b, err := d.AllocLocal(n, half)
			if err != nil {
				t.Fatal(err)
			}
			mine := slices.Clone(values)
			if err := d.Put(b, mine); err != nil {
				t.Fatal(err)
			}
			clear(mine) // it is the caller's again
			if err := d.Get(mine, b); err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(mine, values) {
				t.Errorf("half %v: what came back differs", half)
			}
		}
	})
}

// TestImages resamples on the GPU as package data does on the host, byte for byte.
func TestImages(t *testing.T) {
	locked(t, Options{}, func(d *Device) {
		const from, n = 28, 5
		images := make([]byte, n*from*from)
		for i := range images {
			images[i] = byte(i * i * 7)
		}
		for _, to := range []int{28, 96, 224, 13} {
			r := new(op.Resampling(data.NewResampling(from, to)))
			b, err := d.AllocLocal(n*to*to, false)
			if err != nil {
				t.Fatal(err)
			}
			if err := d.PutImages(b, images, n, to, r); err != nil {
				t.Fatal(err)
			}
			got, want := make([]float32, n*to*to), make([]float32, n*to*to)
			if err := d.Get(got, b); err != nil {
				t.Fatal(err)
			}
			resized, resizer := make([]byte, n*to*to), data.NewResizer(from, to)
			for i := range n {
				resizer.Bytes(resized[i*to*to:(i+1)*to*to], images[i*from*from:(i+1)*from*from])
			}
			data.Normalize(want, resized)
			if !slices.Equal(got, want) {
				at := 0
				for got[at] == want[at] {
					at++
				}
				t.Errorf("%d to %d pixels: pixel %d is %v, not %v", from, to, at, got[at], want[at])
			}
		}
	})
}

func TestMarks(t *testing.T) {
	locked(t, Options{}, func(d *Device) {
		b := alloc(t, d, 1<<16)
		k, err := d.Compile(op.SigmoidForward{Len: 1 << 16})
		if err != nil {
			t.Fatal(err)
		}
		begin, err := d.Mark()
		if err != nil {
			t.Fatal(err)
		}
		if err := k.Run([]op.Buffer{b}, []op.Buffer{b}); err != nil {
			t.Fatal(err)
		}
		end, err := d.Mark()
		if err != nil {
			t.Fatal(err)
		}
		if took, err := end.Since(begin); err != nil || took <= 0 {
			t.Errorf("a kernel took %v, error %v", took, err)
		}
	})
}
