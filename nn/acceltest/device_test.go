package acceltest

import (
	"slices"
	"strings"
	"testing"

	"ringloom/data"
	"ringloom/models/modelstest"
	"ringloom/nn/nntest"
	"ringloom/nn/op"
)

var _ op.Accelerator = (*Device)(nil)

func TestConformance(t *testing.T) {
	nntest.Run(t, func(testing.TB) op.Device { return New() })
}

func TestGoldenSteps(t *testing.T) {
	modelstest.Run(t, func(testing.TB) op.Device { return New() })
}

func opened(t *testing.T) *Device {
	t.Helper()
	d := New()
	t.Cleanup(func() { d.Close() })
	return d
}

func must[T any](t *testing.T, v T, err error) T {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// relu is a kernel on a buffer, in place.
func relu(t *testing.T, d *Device, b op.Buffer) func() error {
	t.Helper()
	k, err := d.Compile(op.ReLUForward{Len: len(b.Host)})
	if err != nil {
		t.Fatal(err)
	}
	return func() error { return k.Run([]op.Buffer{b}, []op.Buffer{b}) }
}

func TestNothingRunsBeforeSomebodyWaits(t *testing.T) {
	d := opened(t)
	b, err := d.Alloc(2)
	must(t, b, err)
	copy(b.Host, []float32{-1, 2})
	run := relu(t, d, b)
	if err := op.Push(d, b); err != nil {
		t.Fatal(err)
	}
	b.Host[0] = 7 // the device has taken its copy
	if err := run(); err != nil {
		t.Fatal(err)
	}
	pull, err := d.StartPull(b)
	must(t, pull, err)
	later, err := d.Alloc(1)
	must(t, later, err)
	if err := d.Put(later, []float32{1}); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(b.Host, []float32{7, 2}) {
		t.Errorf("the mirror is %v before anybody waits", b.Host)
	}
	if err := pull.Wait(); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(b.Host, []float32{0, 2}) || d.queue.ran != d.queue.added-1 {
		t.Errorf("the mirror is %v, %d of %d commands ran", b.Host, d.queue.ran, d.queue.added)
	}
}

func TestBreachesAreFound(t *testing.T) {
	for name, c := range map[string]struct {
		breach func(t *testing.T, d *Device, b op.Buffer) error
		says   string
	}{
		"a kernel writes to what is pulled": {func(t *testing.T, d *Device, b op.Buffer) error {
			p, err := d.StartPull(b)
			must(t, p, err)
			return relu(t, d, b)()
		}, "on its way to its mirror"},
		"a push too": {func(t *testing.T, d *Device, b op.Buffer) error {
			p, err := d.StartPull(b)
			must(t, p, err)
			return d.StartPush(b.Slice(1, 1))
		}, "on its way to its mirror"},
		"the host writes to what is pushed": {func(t *testing.T, d *Device, b op.Buffer) error {
			if err := d.StartPush(b); err != nil {
				t.Fatal(err)
			}
			b.Host[1]++
			return op.Pull(d, b)
		}, "on its way to the buffer"},
		"host memory": {func(t *testing.T, d *Device, b op.Buffer) error {
			return relu(t, d, op.Buffer{Host: make([]float32, 2)})()
		}, "not in its memory"},
		"beyond the end": {func(t *testing.T, d *Device, b op.Buffer) error {
			b.Device += 4
			return op.Push(d, b)
		}, "not all in its memory"},
		"a mark of long ago": {func(t *testing.T, d *Device, b op.Buffer) error {
			first, err := d.Mark()
			must(t, first, err)
			last := first
			for range remembered {
				last, err = d.Mark()
				must(t, last, err)
			}
			_, err = last.Since(first)
			return err
		}, "was forgotten"},
	} {
		t.Run(name, func(t *testing.T) {
			d := opened(t)
			b, err := d.Alloc(2)
			must(t, b, err)
			if err := c.breach(t, d, b); err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("error %v does not say %q", err, c.says)
			}
		})
	}
}

func TestImagesAreResampledAsTheLoaderDoes(t *testing.T) {
	d := opened(t)
	const n, from = 3, 28
	images := make([]byte, n*from*from)
	for i := range images {
		images[i] = byte(i * i % 251)
	}
	for _, to := range []int{28, 96, 224, 13} {
		r := op.Resampling(data.NewResampling(from, to))
		b, err := d.Alloc(n * to * to)
		must(t, b, err)
		if err := d.PutImages(b, images, n, to, &r); err != nil {
			t.Fatal(err)
		}
		if err := op.Pull(d, b); err != nil {
			t.Fatal(err)
		}
		resizer, want, bytes := data.NewResizer(from, to), make([]float32, n*to*to), make([]byte, to*to)
		for i := range n {
			resizer.Bytes(bytes, images[i*from*from:])
			data.Normalize(want[i*to*to:(i+1)*to*to], bytes)
		}
		if !slices.Equal(b.Host, want) {
			t.Errorf("to %d pixels: other pixels", to)
		}
	}
}

func TestTraceTimesEachKernel(t *testing.T) {
	d := opened(t)
	b, err := d.Alloc(2)
	must(t, b, err)
	run := relu(t, d, b)
	if err := run(); err != nil {
		t.Fatal(err)
	}
	traced, err := d.Trace(run)
	if err != nil || len(traced) != 1 || traced[0].Spec != (op.ReLUForward{Len: 2}) || traced[0].Time < 0 || traced[0].Name == "" {
		t.Errorf("%+v, %v", traced, err)
	}
}
