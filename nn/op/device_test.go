package op_test

import (
	"testing"

	"ringloom/nn/acceltest"
	"ringloom/nn/op"
	"ringloom/nn/purego"
)

func TestSlice(t *testing.T) {
	host := make([]float32, 10)
	for _, c := range []struct {
		whole op.Buffer
		bytes uintptr // from the whole's address to the slice's
	}{
		{op.Buffer{Host: host}, 0},
		{op.Buffer{Host: host, Device: 1000}, 12},
		{op.Buffer{Device: 1000, Half: true}, 6},
	} {
		part := c.whole.Slice(3, 4)
		if part.Device != c.whole.Device+c.bytes || part.Half != c.whole.Half {
			t.Errorf("elements 3 to 6 of %v are %v", c.whole, part)
		}
		if c.whole.Host != nil && (len(part.Host) != 4 || cap(part.Host) != 4 || &part.Host[0] != &host[3]) {
			t.Errorf("the mirror of elements 3 to 6 has %d elements", len(part.Host))
		}
	}
}

func TestHostAlloc(t *testing.T) {
	host, accelerator := purego.New(), acceltest.New()
	defer host.Close()
	defer accelerator.Close()
	for _, d := range []op.Device{host, accelerator} {
		b, err := op.HostAlloc(d, 5)
		if err != nil || len(b.Host) != 5 || b.Device != 0 {
			t.Errorf("%s: %v, %v", d.Name(), b, err)
		}
		if _, is := op.AsAccelerator(d); is != (d == accelerator) {
			t.Errorf("%s is an accelerator: %v", d.Name(), is)
		}
	}
}
