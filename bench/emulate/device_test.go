package emulate

import (
	"math"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"ringloom/models"
	"ringloom/nn"
	"ringloom/nn/exec"
	"ringloom/nn/op"
)

// compiled is a model's training program on a device that emulates a step of it.
func compiled(t *testing.T, model string, step time.Duration, batch, programBatch int) (*Device, *nn.Params, *exec.Program) {
	t.Helper()
	spec, err := models.Lookup(model)
	if err != nil {
		t.Fatal(err)
	}
	d, err := New(Config{Step: step, Model: spec, Batch: batch})
	if err != nil {
		t.Fatal(err)
	}
	params, err := spec.NewParams(d)
	if err != nil {
		t.Fatal(err)
	}
	p, err := exec.Compile(exec.Config{Device: d, Params: params, Batch: programBatch, Side: spec.InputSide, Build: spec.Build, Training: true})
	if err != nil {
		t.Fatal(err)
	}
	return d, params, p
}

// step runs forward and backward, and returns what they take and when each parameter's gradient is final.
func step(t *testing.T, params *nn.Params, p *exec.Program) (forward, backward time.Duration, ready []time.Duration) {
	t.Helper()
	begin := time.Now()
	stats, err := p.Forward()
	if err != nil {
		t.Fatal(err)
	}
	if math.Abs(stats.Loss-math.Log(10)) > 1e-5 {
		t.Errorf("loss %v, want ln 10", stats.Loss)
	}
	forward = time.Since(begin)
	begin = time.Now()
	ready = make([]time.Duration, len(params.List))
	if err := p.Backward(func(param int) { ready[param] = time.Since(begin) }); err != nil {
		t.Fatal(err)
	}
	return forward, time.Since(begin), ready
}

func TestStepsTakeTheirTime(t *testing.T) {
	for _, model := range []string{"lenet", "googlenet-bn", "alexnet"} {
		synctest.Test(t, func(t *testing.T) {
			const want, steps = 100 * time.Millisecond, 5
			_, params, p := compiled(t, model, want, 16, 16)
			begin := time.Now()
			for range steps {
				forward, backward, ready := step(t, params, p)
				if share := float64(forward) / float64(want); share < 0.2 || share > 0.5 {
					t.Errorf("%s: forward takes %v of %v", model, forward, want)
				}
				// Late layers first, and the first layer's last, at the end.
				for i := 1; i < len(ready); i++ {
					if !strings.Contains(model, "googlenet") && ready[i] > ready[i-1] {
						t.Errorf("%s: the gradient of %s is ready after %v, that of %s before it after %v",
							model, params.List[i].Name, ready[i], params.List[i-1].Name, ready[i-1])
					}
				}
				if first, last := ready[0], ready[len(ready)-1]; first != slices.Max(ready) || first < backward-leastSleep || last > backward/2 {
					t.Errorf("%s: gradients are ready from %v to %v of %v", model, last, first, backward)
				}
			}
			if took := time.Since(begin); took > steps*want || took <= steps*want-leastSleep {
				t.Errorf("%s: %d steps take %v, want %v and owe less than %v", model, steps, took, steps*want, leastSleep)
			}
		})
	}
}

func TestSmallerBatchesTakeLess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, params, p := compiled(t, "googlenet", time.Second, 64, 16)
		forward, backward, _ := step(t, params, p)
		// A quarter, and some more for the weights, which do not shrink with the batch.
		if took := forward + backward; took < 250*time.Millisecond || took > 300*time.Millisecond {
			t.Errorf("a quarter of a batch takes %v of a second", took)
		}
		k, err := d.Compile(op.AdamUpdate{Len: params.Len()})
		if err != nil {
			t.Fatal(err)
		}
		if share := k.(*kernel).time; share < time.Millisecond || share > 100*time.Millisecond {
			t.Errorf("Adam takes %v beside a second", share)
		}
	})
}

// A sleep that is too long is made up for, a stall is not.
func TestLongSleepsAreMadeUpFor(t *testing.T) {
	d := &Device{owed: -300 * time.Microsecond}
	d.spend(time.Millisecond)
	if d.owed != 700*time.Microsecond {
		t.Errorf("owes %v after 1 ms with a credit of 0.3 ms", d.owed)
	}
	d.spend(time.Millisecond) // sleeps for 1.7 ms or more
	if d.owed > 0 || d.owed < -mostCredit {
		t.Errorf("owes %v after a sleep", d.owed)
	}
}

func TestGradientsAreMarkedAndNothingElse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, params, p := compiled(t, "googlenet-bn", time.Millisecond, 1, 1)
		step(t, params, p)
		for i, param := range params.List {
			g := params.Grad(i).Host
			if g[0] != Gradient || slices.ContainsFunc(g[1:], func(v float32) bool { return v != 0 }) {
				t.Errorf("the gradient of %s begins with %v", param.Name, g[0])
			}
		}
	})
}

// residentBytes is the memory that this process really has.
func residentBytes(t *testing.T) int {
	t.Helper()
	b, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		t.Skipf("SKIPPED: the system does not tell what is resident: %v", err)
	}
	pages, err := strconv.Atoi(strings.Fields(string(b))[1])
	if err != nil {
		t.Fatal(err)
	}
	return pages * os.Getpagesize()
}

func TestActivationsAreNotResident(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		before := residentBytes(t)
		_, params, p := compiled(t, "googlenet", time.Millisecond, 256, 256)
		step(t, params, p)
		grown := residentBytes(t) - before
		if planned := p.ActivationBytes(); planned < 500<<20 || grown > 100<<20 {
			t.Errorf("%d MiB of activations, and %d MiB became resident", planned>>20, grown>>20)
		}
	})
}

func TestNewRefuses(t *testing.T) {
	lenet, err := models.Lookup("lenet")
	if err != nil {
		t.Fatal(err)
	}
	for says, c := range map[string]Config{
		"above 0":       {Model: lenet, Batch: 1},
		"needs a model": {Step: 1, Batch: 1},
		"at least one":  {Step: 1, Model: lenet},
	} {
		if _, err := New(c); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%v does not say %q", err, says)
		}
	}
}

func TestKernelsCheckWhatTheyAreGiven(t *testing.T) {
	lenet, err := models.Lookup("lenet")
	if err != nil {
		t.Fatal(err)
	}
	d, err := New(Config{Step: time.Microsecond, Model: lenet, Batch: 1})
	if err != nil {
		t.Fatal(err)
	}
	if d.Name() != "emulated" || !strings.Contains(d.Description(), "1µs") || !strings.Contains(d.Description(), "lenet") {
		t.Errorf("%s: %s", d.Name(), d.Description())
	}
	if _, err := d.Compile(op.ReLUForward{}); err == nil {
		t.Error("a ReLU of nothing was compiled")
	}
	if _, err := d.Alloc(-1); err == nil {
		t.Error("memory of -1 elements")
	}
	k, err := d.Compile(op.ReLUForward{Len: 3})
	if err != nil {
		t.Fatal(err)
	}
	three, err := d.Alloc(3)
	if err != nil {
		t.Fatal(err)
	}
	if err := k.Run([]op.Buffer{three}, []op.Buffer{three}); err != nil {
		t.Error(err)
	}
	for _, wrong := range [][]op.Buffer{nil, {three, three}, {three.Slice(0, 2)}} {
		if k.Run(wrong, []op.Buffer{three}) == nil || k.Run([]op.Buffer{three}, wrong) == nil {
			t.Errorf("%d operands were taken", len(wrong))
		}
	}
	d.Close()
	if k.Run([]op.Buffer{three}, []op.Buffer{three}) == nil {
		t.Error("a closed device ran")
	}
	if _, err := d.Alloc(1); err == nil {
		t.Error("a closed device has memory")
	}
	if _, err := d.Compile(op.ReLUForward{Len: 3}); err == nil {
		t.Error("a closed device compiles")
	}
}
