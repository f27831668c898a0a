package step

import (
	"context"
	"errors"
	"math"
	"strings"
	"testing"

	"ringloom/models"
	"ringloom/nn"
	"ringloom/nn/acceltest"
	"ringloom/nn/op"
	"ringloom/nn/purego"
)

func withReference(c Config) Config {
	c.Reference = func() (Reference, error) { return purego.NewFloat64(), nil }
	return c
}

// The plain device rounds what it stores, once an operation: a few units of the last place in all, in the host's
// memory and behind an accelerator's queue alike.
func TestErrorOfTheReferenceInFloat32(t *testing.T) {
	c := withReference(lenetConfig(t))
	c.Images = grey(13)
	accelerator := acceltest.New()
	defer accelerator.Close()
	queued := c
	queued.Device = half{accelerator}
	for _, c := range []Config{c, queued} {
		r, err := Run(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		e := r.Error
		if e.Images != 4 || !(e.Logits > 0 && e.Logits < 1e-6) || !(e.Gradients > 0 && e.Gradients < 1e-6) ||
			!(e.LargestGradient >= e.MedianGradient && e.LargestGradient < 1e-5) || e.LargestName == "" {
			t.Errorf("%s: %+v", c.Device.Name(), e)
		}
		if math.Abs(e.ReferenceLoss-r.FirstLoss) > 1e-6 {
			t.Errorf("%s: the loss is %v, in float64 %v", c.Device.Name(), r.FirstLoss, e.ReferenceLoss)
		}
	}
}

// off is a device one of whose kinds of operation is off by a part of what it computes.
type off struct {
	op.Device
	kind string
	by   float32
}

type offKernel struct {
	op.Kernel
	by float32
}

func (d off) Compile(spec op.Spec) (op.Kernel, error) {
	k, err := d.Device.Compile(spec)
	if spec.Kind() == d.kind {
		return offKernel{k, d.by}, err
	}
	return k, err
}

func (k offKernel) Run(dst, src []op.Buffer) error {
	err := k.Kernel.Run(dst, src)
	for i := range dst[0].Host {
		dst[0].Host[i] *= 1 + k.by
	}
	return err
}

func TestErrorIsThatOfTheGradients(t *testing.T) {
	c := withReference(lenetConfig(t))
	c.Device = off{c.Device, "conv.dw", 1e-3}
	r, err := Run(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	if e := r.Error; e.Logits > 1e-6 || math.Abs(e.LargestGradient-1e-3) > 1e-5 || !strings.HasSuffix(e.LargestName, ".weight") || e.MedianGradient > 1e-5 ||
		!(e.Gradients > 1e-6 && e.Gradients < 1e-3) {
		t.Errorf("%+v", e)
	}
}

// A bias before batch norm has a gradient of rounding alone, in float64 too: it counts beside the terms of its sum.
func TestGradientsOfRoundingAlone(t *testing.T) {
	list := []nn.Param{{Name: "w", Kind: "weight", Len: 4}, {Name: "b", Kind: "bias", Offset: 4, Len: 1}, {Name: "dead", Kind: "weight", Offset: 5, Len: 1}}
	e := compareGradients(list, []float32{1, 1, 1, 1, 1e-7, 0}, []float64{1, 1, 1, 1, 1e-17, 0})
	if e.LargestName != "b" || math.Abs(e.LargestGradient-1e-7) > 1e-12 || e.MedianGradient != 0 {
		t.Errorf("%+v", e)
	}
}

func TestImagesOfTheError(t *testing.T) {
	for _, c := range []struct {
		given, batch int
		flops        int64
		want         int
	}{{0, 256, 1e9, 256}, {0, 100, 1e9, 64}, {0, 64, 105e9, 8}, {0, 16, 720e9, 1}, {3, 64, 105e9, 3}} {
		if got := (Config{Batch: c.batch, ErrorImages: c.given}).errorImages(c.flops); got != c.want {
			t.Errorf("%+v: %d images", c, got)
		}
	}
}

func TestMeasuringTheErrorEnds(t *testing.T) {
	stop := errors.New("enough")
	c := lenetConfig(t)
	ctx, cancel := context.WithCancelCause(t.Context())
	c.Reference = func() (Reference, error) { cancel(stop); return purego.NewFloat64(), nil }
	if _, err := Run(ctx, c); !errors.Is(err, stop) {
		t.Errorf("error %v, want %v", err, stop)
	}
	c.Reference = func() (Reference, error) { return nil, stop }
	if _, err := Run(t.Context(), c); !errors.Is(err, stop) {
		t.Errorf("error %v, want %v", err, stop)
	}
}

// Dropout is left out: its masks would differ from those of another program.
func TestErrorWithDropout(t *testing.T) {
	c := withReference(lenetConfig(t))
	c.Model.Build = func(b *nn.Builder, x *nn.Tensor) *nn.Tensor { return b.Linear(b.Dropout(b.Linear(x, 20), 0.5), 10) }
	c.Model = models.Spec{Name: "dropping", InputSide: c.Model.InputSide, Build: c.Model.Build}
	r, err := Run(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	if r.Error.LargestGradient > 1e-6 {
		t.Errorf("%+v", r.Error)
	}
}
