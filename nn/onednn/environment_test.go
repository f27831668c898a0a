//go:build onednn && cgo

package onednn

import (
	"math"
	"os"
	"strings"
	"testing"

	"ringloom/nn/op"
	"ringloom/nn/purego"
)

// shortEnv makes TestShortage expect fewer threads than it asks for.
const shortEnv = "RINGLOOM_TEST_SHORT"

// Whatever OpenMP's variables say, kernels of several threads compute what those of one do: oneDNN counts on the whole
// team that it was promised.
func TestOpenMPsEnvironmentChangesNoNumber(t *testing.T) {
	for _, env := range [][]string{
		{"OMP_DYNAMIC=true"},
		{"OMP_MAX_ACTIVE_LEVELS=0"},
		{"OMP_DYNAMIC=true", "OMP_NUM_THREADS=1", "OMP_NESTED=true", "OMP_PROC_BIND=close", "GOMP_CPU_AFFINITY=0"},
		{"OMP_THREAD_LIMIT=1", shortEnv + "=1"},
		{"OMP_THREAD_LIMIT=2", "OMP_DYNAMIC=true", shortEnv + "=2"},
	} {
		t.Run(strings.Join(env, " "), func(t *testing.T) {
			t.Parallel()
			again(t, "^(TestWaysAgree|TestShortage)$", env...)
		})
	}
}

func TestShortage(t *testing.T) {
	d := openLocked(t, 3)
	switch os.Getenv(shortEnv) {
	case "":
		if s := d.Shortage(); s != "" || d.c.threads != 3 {
			t.Errorf("%d threads, %q", d.c.threads, s)
		}
	case "1":
		if s := d.Shortage(); !strings.HasPrefix(s, "OpenMP gives 1 of 3 threads") || !strings.HasSuffix(d.Description(), "1 thread") {
			t.Errorf("%q, %q", s, d.Description())
		}
	case "2":
		if s := d.Shortage(); !strings.HasPrefix(s, "OpenMP gives 2 of 3 threads") {
			t.Errorf("%q", s)
		}
	}
}

// What is not a number passes through every operation with a ReLU, in every way of computing it, as it does in the
// reference: a training that diverges must not look healthy.
func TestReLUKeepsWhatIsNotANumber(t *testing.T) {
	plain := purego.New()
	defer plain.Close()
	for _, threads := range []int{1, 2} {
		d := openLocked(t, threads)
		for _, spec := range flaggedSpecs() {
			switch spec.(type) {
			case op.ConvForward, op.LinearForward, op.Add, op.ReLUForward, op.BatchNormInference:
			default:
				continue
			}
			src, want := sources(t, d, spec), outputs(t, d, spec)
			src[0].Host[len(src[0].Host)/2] = float32(math.NaN())
			if _, ok := spec.(op.BatchNormInference); ok { // and a negative variance has no root
				src[3].Host[len(src[3].Host)-1] = -1
			}
			k, err := plain.Compile(spec)
			if err == nil {
				err = k.Run(want, src)
			}
			if err != nil {
				t.Fatal(err)
			}
			for _, w := range d.candidates(spec) {
				k, err := d.compile(spec, w)
				if err != nil {
					t.Fatal(err)
				}
				got := outputs(t, d, spec)
				bound{k, got, src}.run(t)
				for i, v := range want[0].Host {
					if v != v && got[0].Host[i] == got[0].Host[i] {
						t.Errorf("%s %v by %v (%s): element %d is %g, want NaN", spec.Kind(), spec, w, k.impl(), i, got[0].Host[i])
						break
					}
				}
			}
		}
	}
}
