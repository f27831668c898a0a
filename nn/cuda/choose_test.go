//go:build gpu && cgo

package cuda

import (
	"fmt"
	"math"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"ringloom/models/modelstest"
	"ringloom/nn/cuda/libs"
	"ringloom/nn/nntest"
	"ringloom/nn/op"
)

// emulated skips a test that knows the emulator's engines and their times: see cudnn_engines.cpp there.
func emulated(t *testing.T) {
	if onGPU {
		t.Skip("SKIPPED: which algorithm of a real cuDNN is the fastest is not known beforehand")
	}
}

// chosen is the algorithm that the device takes.
func chosen(t *testing.T, d *Device, task convTask) string {
	t.Helper()
	w, err := d.choose(task)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprint(w)
}

// exampleConv has two images, channels that suit tensor cores, and a result that is sampled in parts.
var exampleConv = op.Conv{
	Src: op.Image{N: 2, H: 12, W: 12, C: 8}, Dst: op.Image{N: 2, H: 12, W: 12, C: 16},
	KernelH: 3, KernelW: 3, StrideH: 1, StrideW: 1, PadH: 1, PadW: 1,
}

// greyConv has one channel, as the first layers have.
var greyConv = op.Conv{
	Src: op.Image{N: 2, H: 12, W: 12, C: 1}, Dst: op.Image{N: 2, H: 12, W: 12, C: 16},
	KernelH: 3, KernelW: 3, StrideH: 1, StrideW: 1, PadH: 1, PadW: 1,
}

var (
	forwardTask    = convTask{pass: libs.PassForward, conv: exampleConv}
	biasTask       = convTask{pass: libs.PassForward, conv: exampleConv, after: epilogue{bias: true, relu: true}}
	biasAloneTask  = convTask{pass: libs.PassForward, conv: exampleConv, after: epilogue{bias: true}}
	dataTask       = convTask{pass: libs.PassBackwardData, conv: exampleConv}
	accumulateTask = convTask{pass: libs.PassBackwardData, conv: exampleConv, accumulate: true}
	weightsTask    = convTask{pass: libs.PassBackwardWeights, conv: exampleConv}
)

func half(t convTask) convTask { t.half = true; return t }

// TestFastestAlgorithmIsTaken: engine 6 with tensor cores takes 0.6 ms, engine 14 without 1.2 ms, the fastest algorithm
// 2 ms or, without tensor cores, 4 ms. Bias and ReLU apart take 1 us.
func TestFastestAlgorithmIsTaken(t *testing.T) {
	emulated(t)
	every := []convTask{forwardTask, biasTask, dataTask, accumulateTask, weightsTask}
	for _, c := range []struct {
		name      string
		precision Precision
		legacy    bool
		faults    string // of engines
		tasks     []convTask
		want      string
	}{
		{"tensor cores", TF32, false, "", every, "engine 6"},
		{"bfloat16", BF16, false, "", []convTask{half(forwardTask), half(biasTask), half(dataTask), half(accumulateTask), half(weightsTask)}, "engine 6"},
		{"no tensor cores", Float32, false, "", every, "engine 14"},
		{"legacy alone", TF32, true, "", []convTask{forwardTask, dataTask, accumulateTask, weightsTask}, "algorithm 1"},
		{"legacy alone, with bias and ReLU", Float32, true, "", []convTask{biasTask}, "algorithm 1"},
		{"legacy alone, with bias", Float32, true, "", []convTask{biasAloneTask}, "algorithm 1 with bias"},
		{"slow engine", TF32, false, "6=slow", every, "engine 14"},
		{"slow engines", TF32, false, "6=slow,14=slow,0=slow", []convTask{forwardTask, dataTask, accumulateTask, weightsTask}, "algorithm 1"},
		{"slow engines, with bias", TF32, false, "6=slow,14=slow,0=slow", []convTask{biasTask}, "algorithm 1"},
		{"engine that fails", TF32, false, "6=fails", every, "engine 14"},
		{"engines that fail", TF32, false, "6=fails,14=fails,0=fails", []convTask{forwardTask, dataTask, accumulateTask, weightsTask}, "algorithm 1"},
		{"wrong engine", TF32, false, "6=wrong", every, "engine 14"},
		{"wrong engine, without tensor cores", Float32, false, "14=wrong", []convTask{forwardTask, dataTask, accumulateTask, weightsTask}, "algorithm 1"},
		{"wrong engine in bfloat16", BF16, false, "6=wrong", []convTask{half(forwardTask), half(dataTask), half(accumulateTask), half(weightsTask)}, "engine 14"},
		{"engine that does not accumulate", TF32, false, "6=overwrites", []convTask{accumulateTask}, "engine 14"},
		{"engine that does not accumulate in bfloat16", BF16, false, "6=overwrites", []convTask{half(accumulateTask)}, "engine 14"},
		{"engine that need not accumulate", TF32, false, "6=overwrites", []convTask{forwardTask, dataTask, weightsTask}, "engine 6"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Setenv("RINGLOOM_EMULATOR_ENGINES", c.faults)
			locked(t, Options{Precision: c.precision, LegacyConvolutions: c.legacy}, func(d *Device) {
				for _, task := range c.tasks {
					want := c.want
					if task.after.bias && strings.HasPrefix(want, "engine") { // all but 0 do the bias and ReLU, too
						want += " with bias"
					}
					if got := chosen(t, d, task); got != want {
						t.Errorf("%+v: %s, not %s", task, got, want)
					}
				}
				before := len(d.choices)
				if chosen(t, d, c.tasks[0]); len(d.choices) != before {
					t.Error("a convolution was tried out twice")
				}
			})
		})
	}
}

// TestAnyOrderTakesWhatIsFastest: engine 11, whose sums are in no fixed order.
func TestAnyOrderTakesWhatIsFastest(t *testing.T) {
	emulated(t)
	for anyOrder, want := range map[bool]string{false: "engine 6", true: "engine 11"} {
		locked(t, Options{Precision: TF32, AnyOrder: anyOrder}, func(d *Device) {
			for _, task := range []convTask{forwardTask, dataTask, accumulateTask, weightsTask} {
				if got := chosen(t, d, task); got != want {
					t.Errorf("any order %v, %v: %s", anyOrder, task, got)
				}
			}
		})
	}
}

// TestWrongEpilogueIsPassedOver: the engine then computes the convolution alone, which is still faster than another
// that does all.
func TestWrongEpilogueIsPassedOver(t *testing.T) {
	emulated(t)
	for _, faults := range []string{"6=unbiased", "6=unrectified"} {
		t.Setenv("RINGLOOM_EMULATOR_ENGINES", faults)
		for _, precision := range []Precision{TF32, BF16} {
			locked(t, Options{Precision: precision}, func(d *Device) {
				task := biasTask
				task.half = precision == BF16
				if got := chosen(t, d, task); got != "engine 6" {
					t.Errorf("%s, %s: %s", faults, precision, got)
				}
			})
		}
	}
}

// TestReLUThatLosesNaN is never taken: where engines have no other, or do not do what they are asked to, the ReLU is
// our own. What an older version has remembered of one that loses NaN counts for nothing.
func TestReLUThatLosesNaN(t *testing.T) {
	emulated(t)
	for _, c := range []struct{ faults, remembered, want string }{
		{"", "", nameFusedPlan},
		{"14=lossy,6=lossy", "", namePlan},
		{"14=forgetful,6=forgetful", "", namePlan},
		{"", "engine+bias-NaN 14 configuration 4", nameFusedPlan},
		{"", "algorithm+bias 1 math 3 workspace 0", nameFusedPlan},
	} {
		t.Setenv("RINGLOOM_EMULATOR_ENGINES", c.faults)
		var names [2]string
		choices := map[string]string{biasTask.String(): c.remembered}
		for i := range names {
			locked(t, Options{Precision: Float32}, func(d *Device) { // in which engine 14 is the fastest
				d.SetChoices(choices)
				w, err := d.choose(biasTask)
				if err != nil {
					t.Fatal(err)
				}
				names[i], choices = w.name(), d.Choices()
			})
		}
		if !strings.HasPrefix(names[0], c.want+" 14") || names[1] != names[0] {
			t.Errorf("%q, %q remembered: %q, then %q", c.faults, c.remembered, names[0], names[1])
		}
	}
}

// TestEveryAlgorithmIsRight: a device would pass over one that is not, without a word.
func TestEveryAlgorithmIsRight(t *testing.T) {
	pointwise, strided := exampleConv, exampleConv
	pointwise.KernelH, pointwise.KernelW, pointwise.PadH, pointwise.PadW = 1, 1, 0, 0
	strided.StrideH, strided.StrideW, strided.Dst.H, strided.Dst.W = 2, 3, 6, 4
	for _, precision := range []Precision{Float32, Strict, TF32, BF16} {
		locked(t, Options{Precision: precision}, func(d *Device) {
			count := map[string]int{}
			for _, task := range []convTask{forwardTask, biasTask, dataTask, accumulateTask, weightsTask} {
				for _, geometry := range []op.Conv{exampleConv, pointwise, strided, greyConv} {
					task.conv, task.half = geometry, precision == BF16
					for _, a := range algorithmsOf(t, d, task) {
						count[strings.Fields(a.name())[0]]++
					}
				}
			}
			if count[namePlan] == 0 || count[namePatches] == 0 {
				t.Errorf("%s: there are no plans, or no patches: %v", precision, count)
			}
			if !onGPU && count[nameFusedPlan] == 0 {
				t.Errorf("%s: there is no plan with a bias", precision)
			}
			t.Logf("%s: %v", precision, count)
		})
	}
}

// algorithmsOf are all algorithms that there are for a task. Each has to be right, unless cuDNN refuses it.
func algorithmsOf(t *testing.T, d *Device, task convTask) []algorithm {
	t.Helper()
	must := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	trial, err := d.newTrial(task)
	must(err)
	algorithms, err := trial.algorithms()
	must(err)
	must(trial.expect())
	for _, a := range algorithms {
		right, err := trial.verify(a)
		if !refused(err) {
			must(err)
		}
		if err == nil && !right {
			t.Errorf("%v: %v is wrong", task, a)
		}
		must(a.close())
	}
	must(trial.close())
	return algorithms
}

// TestAccumulatingPlan adds a gradient to what is there, by a plan and by an algorithm.
func TestAccumulatingPlan(t *testing.T) {
	spec := op.ConvBackwardData{Conv: exampleConv, Gather: op.Gather{Accumulate: true}}
	var results [2][]float32
	for i, legacy := range []bool{false, true} {
		locked(t, Options{Precision: Float32, LegacyConvolutions: legacy}, func(d *Device) {
			if name := chosen(t, d, accumulateTask); !onGPU && strings.HasPrefix(name, "engine") == legacy {
				t.Errorf("legacy %v: %s", legacy, name)
			}
			dst, src := op.Lens(spec)
			var buffers []op.Buffer
			for at, n := range append(dst, src...) {
				b, err := d.Alloc(n)
				if err != nil {
					t.Fatal(err)
				}
				for j := range b.Host {
					b.Host[j] = float32((j*7+at)%17-8) / 8 // sums are exact
				}
				if err := op.Push(d, b); err != nil {
					t.Fatal(err)
				}
				buffers = append(buffers, b)
			}
			k, err := d.Compile(spec)
			if err != nil {
				t.Fatal(err)
			}
			for range 2 { // twice, so that what the first run left is added to
				if err := k.Run(buffers[:1], buffers[1:]); err != nil {
					t.Fatal(err)
				}
			}
			if err := op.Pull(d, buffers[0]); err != nil {
				t.Fatal(err)
			}
			results[i] = slices.Clone(buffers[0].Host)
		})
	}
	if !agree(results[0], results[1], 1e-5) {
		t.Error("the plan's sums are not the algorithm's")
	}
}

func TestAgree(t *testing.T) {
	nan := float32(0)
	nan /= nan
	for _, c := range []struct {
		got, want []float32
		agree     bool
	}{
		{[]float32{1, -1}, []float32{1, -1}, true},
		{[]float32{1.005, -1}, []float32{1, -1}, true},
		{[]float32{1.02, -1}, []float32{1, -1}, false},
		{[]float32{1, 0.005}, []float32{1, 0}, true}, // a sum of terms that cancel
		{[]float32{1, nan}, []float32{1, -1}, false},
		{[]float32{1, nan}, []float32{1, nan}, false},
		{[]float32{0, 0}, []float32{1, 1}, false},
	} {
		if got := agree(c.got, c.want, 1e-2); got != c.agree {
			t.Errorf("%v and %v: %v", c.got, c.want, got)
		}
	}
}

// inAnotherProcess runs the test again with a setting of the emulator, which reads those once. In that process it
// returns false.
func inAnotherProcess(t *testing.T, variable, value string) bool {
	t.Helper()
	if os.Getenv(variable) != "" {
		return false
	}
	c := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
	c.Env = append(os.Environ(), variable+"="+value)
	if out, err := c.CombinedOutput(); err != nil || !strings.Contains(string(out), "--- PASS: "+t.Name()) {
		t.Errorf("%v\n%s", err, out)
	}
	return true
}

// TestWithoutGraphInterface runs a convolution on a cuDNN that is older than its graph interface.
func TestWithoutGraphInterface(t *testing.T) {
	emulated(t)
	if inAnotherProcess(t, "RINGLOOM_EMULATOR_CUDNN", "8200") {
		return
	}
	locked(t, Options{}, func(d *Device) {
		if !strings.Contains(d.Description(), "cuDNN 8.2.0") {
			t.Errorf("%s is not of cuDNN 8.2", d.Description())
		}
		for _, task := range []convTask{forwardTask, accumulateTask, weightsTask} {
			if got := chosen(t, d, task); got != "algorithm 1" {
				t.Errorf("%+v: %s", task, got)
			}
		}
	})
}

// TestWithoutBfloat16Algorithms computes what cuDNN has no algorithm for by plans, or by our own algorithm.
func TestWithoutBfloat16Algorithms(t *testing.T) {
	emulated(t)
	if inAnotherProcess(t, "RINGLOOM_EMULATOR_LEGACY", "float32") {
		return
	}
	var want []float64
	locked(t, Options{Precision: Float32}, func(d *Device) { want = losses(t, d, "vgg-tiny-96") })
	for _, legacy := range []bool{true, false} {
		locked(t, Options{Precision: BF16, LegacyConvolutions: legacy}, func(d *Device) {
			for _, task := range []convTask{forwardTask, accumulateTask, weightsTask} {
				if got := chosen(t, d, half(task)); strings.HasPrefix(got, "patches") != legacy {
					t.Errorf("legacy %v, %+v: %s", legacy, task, got)
				}
			}
			got := losses(t, d, "vgg-tiny-96")
			for i := range want {
				if off := math.Abs(got[i]-want[i]) / want[i]; !(off <= 6e-2) {
					t.Errorf("legacy %v: loss %d is %v, with float32 %v", legacy, i, got[i], want[i])
				}
			}
		})
	}
}

// TestWithoutAlgorithms has plans alone, whose results nothing of cuDNN's vouches for.
func TestWithoutAlgorithms(t *testing.T) {
	emulated(t)
	if inAnotherProcess(t, "RINGLOOM_EMULATOR_LEGACY", "none") {
		return
	}
	locked(t, Options{Precision: Float32}, func(d *Device) {
		for _, task := range []convTask{forwardTask, biasTask, dataTask, accumulateTask, weightsTask} {
			if got := chosen(t, d, task); strings.TrimSuffix(got, " with bias") != "engine 14" {
				t.Errorf("%v: %s", task, got)
			}
		}
	})
	for _, c := range []struct {
		legacy bool
		faults string // of engines
	}{{true, ""}, {false, "14=fails,0=fails"}} { // there are no engines either, or they fail
		t.Setenv("RINGLOOM_EMULATOR_ENGINES", c.faults)
		locked(t, Options{Precision: Float32, LegacyConvolutions: c.legacy}, func(d *Device) {
			for _, task := range []convTask{forwardTask, biasTask, dataTask, accumulateTask, weightsTask} {
				if got := chosen(t, d, task); got != "patches of 1 images" {
					t.Errorf("%+v, %v: %s", c, task, got)
				}
			}
		})
	}
	t.Setenv("RINGLOOM_EMULATOR_ENGINES", "14=wrong,0=wrong")
	locked(t, Options{Precision: Float32}, func(d *Device) {
		_, err := d.choose(forwardTask)
		if err == nil || !strings.Contains(err.Error(), "comes out wrong by every algorithm") || !strings.Contains(err.Error(), "engine 14") {
			t.Errorf("error %v", err)
		}
	})
}

// TestConformanceOfLegacyConvolutions is TestConformance and TestGoldenSteps without plans.
func TestConformanceOfLegacyConvolutions(t *testing.T) {
	if testing.Short() {
		t.Skip("SKIPPED with -short: it takes as long as TestConformance")
	}
	legacy := func(t testing.TB) op.Device { return open(t, Options{Precision: Float32, LegacyConvolutions: true}) }
	nntest.Run(t, legacy)
	modelstest.Run(t, legacy)
}
