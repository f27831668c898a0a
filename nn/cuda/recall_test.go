//go:build gpu && cgo

package cuda

import (
	"maps"
	"strings"
	"testing"

	"ringloom/nn/op"
)

// tunedSpecs are the convolutions of the tasks in choose_test.go, and one for which our own algorithm is the fastest in
// the emulator.
var tunedSpecs = []op.Spec{
	op.ConvForward{Conv: exampleConv, ReLU: true}, op.ConvBackwardData{Conv: exampleConv}, op.ConvBackwardWeights{Conv: exampleConv},
	op.ConvBackwardWeights{Conv: greyConv},
	op.ReLUForward{Len: 4},
}

// tunedOn are the choices of a device that was told of others before.
func tunedOn(t *testing.T, o Options, before map[string]string) (choices map[string]string, machine string) {
	t.Helper()
	locked(t, o, func(d *Device) {
		d.SetChoices(before)
		if err := d.Tune(t.Context(), tunedSpecs); err != nil {
			t.Fatal(err)
		}
		choices, machine = d.Choices(), d.Machine()
	})
	return choices, machine
}

// TestRememberedWaysAreTakenAgain though another one has become the fastest.
func TestRememberedWaysAreTakenAgain(t *testing.T) {
	emulated(t)
	for _, c := range []struct {
		name   string
		o      Options
		faults string // of the engines when the choice is made
	}{
		{"engine", Options{Precision: TF32}, "6=slow"},
		{"engine in bfloat16", Options{Precision: BF16}, "6=slow"},
		{"algorithm", Options{Precision: Float32, LegacyConvolutions: true}, ""},
		{"algorithm beside engines", Options{Precision: Float32}, "14=slow,0=slow"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Setenv("RINGLOOM_EMULATOR_ENGINES", c.faults)
			found, _ := tunedOn(t, c.o, nil)
			if len(found) != 4 {
				t.Fatalf("%d choices: %v", len(found), found)
			}
			t.Setenv("RINGLOOM_EMULATOR_ENGINES", "")
			if again, _ := tunedOn(t, c.o, found); !maps.Equal(again, found) {
				t.Errorf("%v became %v", found, again)
			}
			if now, _ := tunedOn(t, c.o, nil); c.faults != "" && maps.Equal(now, found) {
				t.Errorf("%v is chosen without a memory, too: nothing was shown", now)
			}
		})
	}
}

// TestRememberedWaysCompute what those that were found do.
func TestRememberedWaysCompute(t *testing.T) {
	var results [2]outcome
	var choices map[string]string
	for i := range results {
		locked(t, Options{Precision: BF16}, func(d *Device) {
			d.SetChoices(choices)
			results[i] = stepOf(t, d, nil)
			choices = d.Choices()
		})
	}
	if results[0].loss != results[1].loss || results[0].loss == 0 {
		t.Errorf("loss %v, then %v", results[0].loss, results[1].loss)
	}
	for i, g := range results[0].grads {
		if g != results[1].grads[i] {
			t.Fatalf("gradient %d is %v, then %v", i, g, results[1].grads[i])
		}
	}
}

// TestChoicesThatCannotBeFollowed are made anew.
func TestChoicesThatCannotBeFollowed(t *testing.T) {
	emulated(t)
	want, _ := tunedOn(t, Options{Precision: TF32}, nil)
	for _, name := range []string{
		"", "by hand", "engine", "engine 6", "engine six configuration 1", "engine 6 configuration 0", "engine 6 configuration 900",
		"engine -6 configuration 1", "algorithm 1", "patches", "patches 0", "patches 3", "algorithm 1 math 0 workspace 99999999999",
	} {
		before := map[string]string{}
		for task := range want {
			before[task] = name
		}
		if got, _ := tunedOn(t, Options{Precision: TF32}, before); !maps.Equal(got, want) {
			t.Errorf("%q: %v, not %v", name, got, want)
		}
	}
}

// TestMachineTellsKindsApart, by what choices depend on, and not GPUs of a kind.
func TestMachineTellsKindsApart(t *testing.T) {
	seen := map[string]Options{}
	for _, o := range []Options{{Precision: TF32}, {Precision: Float32}, {Precision: BF16}, {Precision: TF32, LegacyConvolutions: true}, {Precision: TF32, AnyOrder: true}} {
		locked(t, o, func(d *Device) {
			machine := d.Machine()
			if other, ok := seen[machine]; ok {
				t.Errorf("%+v and %+v are both %q", o, other, machine)
			}
			seen[machine] = o
			if strings.Contains(machine, d.info.UUID) || !strings.Contains(machine, d.info.Name) || !strings.Contains(machine, "cuDNN") {
				t.Errorf("machine %q", machine)
			}
		})
	}
}
