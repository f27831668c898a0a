package step

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"ringloom/data"
	"ringloom/models"
	"ringloom/nn/acceltest"
	"ringloom/nn/op"
	"ringloom/nn/purego"
)

func lenetConfig(t *testing.T) Config {
	t.Helper()
	model, err := models.Lookup("lenet")
	if err != nil {
		t.Fatal(err)
	}
	device := purego.New()
	t.Cleanup(func() { device.Close() })
	return Config{Model: model, Device: device, Threads: 1, Batch: 4, MinSteps: 3, WarmUp: 1, Seed: 1}
}

// grey is a data set of n images, each of one shade.
func grey(n int) *data.Dataset {
	images, labels := make([]byte, n*data.Side*data.Side), make([]byte, n)
	for i := range images {
		images[i] = byte(i / (data.Side * data.Side))
	}
	for i := range labels {
		labels[i] = byte(i % data.Classes)
	}
	return data.NewDataset(images, labels, data.Side)
}

func TestRun(t *testing.T) {
	c := lenetConfig(t)
	c.Images = grey(13)
	peaks := []float64{8e9, 5e9}
	c.Peak = func() (float64, error) {
		p := peaks[0]
		peaks = peaks[1:]
		return p, nil
	}
	r, err := Run(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	if r.Model != "lenet" || r.Batch != 4 || r.Device != "purego" || r.Threads != 1 || r.Data != DataReal || r.Steps != 3 || r.Parameters != 61706 {
		t.Errorf("%+v does not say what was measured", r)
	}
	// Forward as in the models' test; each layer's two gradients cost as much again, but the first has no dx.
	const first, forward = 2 * 28 * 28 * 6 * 25, 2 * 416520
	if want := int64(4 * (3*forward - first)); r.StepFLOPs != want {
		t.Errorf("%d FLOPs per step, want %d", r.StepFLOPs, want)
	}
	if r.PeakFLOPsPerSecond == nil || *r.PeakFLOPsPerSecond != 8e9 || *r.PeakFraction != r.FLOPsPerSecond/8e9 {
		t.Errorf("peak %v and fraction %v, want the larger of the two measurements", r.PeakFLOPsPerSecond, r.PeakFraction)
	}
	if !(r.StepSeconds > 0 && r.StepSeconds <= r.StepSecondsMedian) || r.ImagesPerSecond != 4/r.StepSeconds || r.ImagesPerSecondMedian > r.ImagesPerSecond {
		t.Errorf("step %v s best, %v s median; %v images/s best, %v median", r.StepSeconds, r.StepSecondsMedian, r.ImagesPerSecond, r.ImagesPerSecondMedian)
	}
	if math.Abs(r.FirstLoss-math.Log(10)) > 1 || r.LastLoss == r.FirstLoss {
		t.Errorf("loss %v at first and %v at last", r.FirstLoss, r.LastLoss)
	}
	for _, ops := range [][]Op{r.Kinds, r.Ops} {
		var flops int64
		var seconds float64
		for _, o := range ops {
			flops += o.FLOPs
			seconds += o.Seconds
		}
		if flops != r.StepFLOPs || seconds <= 0 || seconds > r.StepSeconds {
			t.Errorf("%v sum to %d FLOPs and %v s, the step is %d and %v", ops, flops, seconds, r.StepFLOPs, r.StepSeconds)
		}
	}
	for kind, count := range map[string]int{"conv": 2, "conv.dw": 2, "conv.dx": 1, "linear": 3, "linear.dx": 3, "avgpool": 2, "loss": 1, "adam": 1} {
		i := slices.IndexFunc(r.Kinds, func(k Op) bool { return k.Kind == kind })
		if i < 0 || r.Kinds[i].Count != count {
			t.Errorf("%s did not run %d times: %v", kind, count, r.Kinds)
		}
	}
}

// half is an accelerator that says of itself to compute in another precision.
type half struct{ *acceltest.Device }

func (half) Precision() string { return "bf16" }

func TestRunOnAnAccelerator(t *testing.T) {
	for name, change := range map[string]func(*Config){
		"images":        func(c *Config) { c.Images = grey(13) },
		"random pixels": func(*Config) {},
	} {
		t.Run(name, func(t *testing.T) {
			host := lenetConfig(t)
			change(&host)
			want, err := Run(t.Context(), host)
			if err != nil {
				t.Fatal(err)
			}
			device := acceltest.New()
			defer device.Close()
			c := host
			c.Device = half{device}
			r, err := Run(t.Context(), c)
			if err != nil {
				t.Fatal(err)
			}
			if r.Precision != "bf16" || r.Device != acceltest.Name || r.Steps != 3 || r.RoundSteps != 3 || !r.Traced || r.StepFLOPs != want.StepFLOPs {
				t.Errorf("%+v", r)
			}
			if c.Images != nil && r.FirstLoss != want.FirstLoss {
				t.Errorf("the first loss is %v, on the host %v", r.FirstLoss, want.FirstLoss)
			}
			var flops int64
			for _, k := range r.Kinds {
				flops += k.FLOPs
				i := slices.IndexFunc(want.Kinds, func(w Op) bool { return w.Kind == k.Kind })
				if i < 0 || want.Kinds[i].Count != k.Count {
					t.Errorf("%s ran %d times: on the host %+v", k.Kind, k.Count, want.Kinds)
				}
			}
			if len(r.Kinds) != len(want.Kinds) || flops != r.StepFLOPs || r.Ops[0].Kernels == nil {
				t.Errorf("%d FLOPs in %+v", flops, r.Ops)
			}
		})
	}
}

func TestKernelsOfOneOperationCountOnce(t *testing.T) {
	add, copied := op.Add{Len: 3}, op.LinearForward{Linear: op.Linear{Src: op.Image{N: 2, H: 1, W: 1, C: 3}, Out: 4}}
	ops := tracedOps([]op.Traced{
		{Spec: copied, Name: "gemm", Time: 2 * time.Second}, {Spec: copied, Name: "bias", Time: time.Second}, {Spec: copied, Name: "gemm", Time: time.Second},
		{Spec: add, Name: "add"}, {Name: "load_pixels", Time: time.Second}, {Spec: add, Name: "add"},
	})
	var got []string
	for _, o := range ops {
		got = append(got, fmt.Sprint(o.Kind, " ", o.Seconds, " ", o.FLOPs, " ", strings.Join(o.Kernels, "+")))
	}
	want := []string{"linear 3 48 gemm+bias", "linear 1 48 gemm", "add 0 0 add", "load_pixels 1 0 ", "add 0 0 add"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// Several batches are used one after the other, and none twice where the data set has more.
func TestBatchesAreThoseOfTheDataSet(t *testing.T) {
	c := lenetConfig(t)
	c.Images = grey(11)
	all, err := c.batches(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(all) != 2 {
		t.Fatalf("%d batches of 4 from 11 images", len(all))
	}
	for i, b := range all {
		for j, label := range b.labels {
			if sample := 4*i + j; label != float32(sample%data.Classes) || b.pixels[j*data.Side*data.Side] != float32(sample)/255 {
				t.Errorf("batch %d, image %d: label %v, first pixel %v", i, j, label, b.pixels[j*data.Side*data.Side])
			}
		}
	}
}

func TestRunOnRandomPixelsForATime(t *testing.T) {
	c := lenetConfig(t)
	c.MinSteps, c.Duration = 1, 50*time.Millisecond
	begin := time.Now()
	r, err := Run(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	if took := time.Since(begin); took < c.Duration || r.Data != DataRandom || r.PeakFLOPsPerSecond != nil || r.PeakFraction != nil {
		t.Errorf("%v, %+v", took, r)
	}
}

func TestRunEnds(t *testing.T) {
	c := lenetConfig(t)
	stop := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	c.Duration = time.Hour
	c.Peak = func() (float64, error) { cancel(stop); return 1, nil }
	if _, err := Run(ctx, c); !errors.Is(err, stop) {
		t.Errorf("error %v, want %v", err, stop)
	}
	c.Peak = func() (float64, error) { return 0, stop }
	if _, err := Run(t.Context(), c); !errors.Is(err, stop) {
		t.Errorf("error %v, want %v", err, stop)
	}
}

func TestValidate(t *testing.T) {
	good := lenetConfig(t)
	if err := good.Validate(); err != nil {
		t.Fatal(err)
	}
	for says, spoil := range map[string]func(*Config){
		"device":           func(c *Config) { c.Device = nil },
		"--batch 0":        func(c *Config) { c.Batch = 0 },
		"--steps 0":        func(c *Config) { c.MinSteps = 0 },
		"-1s":              func(c *Config) { c.Duration = -time.Second },
		"--error-images 5": func(c *Config) { c.ErrorImages = 5 },
		"has 3 images":     func(c *Config) { c.Images = grey(3) },
		"-2 warm-up":       func(c *Config) { c.WarmUp = -2 },
		"and a model":      func(c *Config) { c.Model = models.Spec{} },
	} {
		c := good
		spoil(&c)
		if err := c.Validate(); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("error %v does not say %q", err, says)
		}
	}
}

func TestDefaultBatchesFitTheModels(t *testing.T) {
	for model, want := range map[string]int{"lenet": 256, "alexnet": 128, "googlenet-res": 64, "vgg11-96": 32, "vgg11": 16} {
		if _, err := models.Lookup(model); err != nil {
			t.Error(err)
		}
		if got := DefaultBatch(model); got != want {
			t.Errorf("%s: %d, want %d", model, got, want)
		}
	}
}
