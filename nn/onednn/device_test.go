//go:build onednn && cgo

package onednn

import (
	"errors"
	"fmt"
	"hash/fnv"
	"math"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"ringloom/models/modelstest"
	"ringloom/nn/nntest"
	"ringloom/nn/op"
)

// threadsEnv is the number of threads of TestConformance and TestGoldenSteps, one if it is not set.
const threadsEnv = "RINGLOOM_TEST_THREADS"

func TestConformance(t *testing.T) { nntest.Run(t, newThreaded) }

func TestGoldenSteps(t *testing.T) { modelstest.Run(t, newThreaded) }

// newThreaded is a device with the number of threads that threadsEnv says.
func newThreaded(t testing.TB) op.Device {
	threads, _ := strconv.Atoi(os.Getenv(threadsEnv))
	d, err := New(Options{Threads: threads})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// The suite again on two threads, and as on processors without AVX-512 (oneDNN's own variable caps the instruction
// set, and this package's kernels follow it). The networks' own shapes and the golden networks but LeNet are left out.
func TestConformanceElsewhere(t *testing.T) {
	for _, c := range []struct{ name, env, unwanted string }{
		{"two threads", threadsEnv + "=2", ""},
		{"AVX2", "ONEDNN_MAX_CPU_ISA=AVX2", `AVX-512|avx512`},
		{"SSE4.1", "ONEDNN_MAX_CPU_ISA=SSE41", `AVX|avx`},
	} {
		t.Run(c.name, func(t *testing.T) {
			out := again(t, "^(TestConformance|TestGoldenSteps|TestAgainstPlainGo|TestDescription)$", c.env)
			if c.unwanted != "" {
				if found := regexp.MustCompile(c.unwanted).FindString(out); found != "" {
					t.Errorf("%s: %s was used:\n%s", c.env, found, out)
				}
			}
		})
	}
}

// digestEnv makes TestStepDigest print what it computed; the tests below run this test binary again with it.
const digestEnv = "RINGLOOM_TEST_DIGEST"

func TestStepDigest(t *testing.T) {
	if os.Getenv(digestEnv) == "" {
		t.Skip("run by TestProcessesAgree")
	}
	d := openLocked(t, 1)
	h := fnv.New64a()
	for _, spec := range lenetStep(5) {
		k := bind(t, d, spec, d.choose(spec))
		k.run(t)
		for _, b := range k.dst {
			for _, v := range b.Host {
				fmt.Fprintf(h, "%x ", math.Float32bits(v))
			}
		}
	}
	fmt.Printf("digest %x\n", h.Sum64())
}

// again runs tests of this binary in another process, without the long parts of the suite, and returns its output.
func again(t *testing.T, tests string, env ...string) string {
	cmd := exec.Command(os.Args[0], "-test.run", tests, "-test.v", "-test.skip", "^TestConformance$/^against_the_reference|^TestGoldenSteps$/^[^l]")
	cmd.Env = append(os.Environ(), env...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v %s: %v\n%s", env, tests, err, out)
	}
	return string(out)
}

func TestProcessesAgree(t *testing.T) {
	line := regexp.MustCompile(`digest [0-9a-f]+`)
	first := line.FindString(again(t, "^TestStepDigest$", digestEnv+"=1"))
	second := line.FindString(again(t, "^TestStepDigest$", digestEnv+"=1"))
	if first == "" || first != second {
		t.Errorf("two processes computed %q and %q", first, second)
	}
}

func TestDescription(t *testing.T) {
	d := openLocked(t, 1)
	if !regexp.MustCompile(`^oneDNN \d+\.\d+\.\d+, [^,]+, 1 thread$`).MatchString(d.Description()) {
		t.Errorf("%q", d.Description())
	}
	t.Log(d.Description())
	if got := openLocked(t, 2).Description(); !strings.HasSuffix(got, ", 2 threads") {
		t.Errorf("%q", got)
	}
	if err := Available(); err != nil {
		t.Error(err)
	}
}

// unknown is an operation of a type that no device knows.
type unknown struct{ op.Spec }

func TestCompileRefuses(t *testing.T) {
	d := openLocked(t, 1)
	if _, err := d.Compile(unknown{op.Add{Len: 1}}); !errors.Is(err, op.ErrUnsupported) {
		t.Errorf("unknown operation: %v", err)
	}
	if _, err := d.Compile(op.SigmoidForward{}); !errors.Is(err, op.ErrSpec) {
		t.Errorf("empty sigmoid: %v", err)
	}
	if _, err := d.Alloc(-1); err == nil {
		t.Error("Alloc(-1) gave no error")
	}
	if _, err := d.Alloc(math.MaxInt64); err == nil {
		t.Error("Alloc of everything gave no error")
	}
}

func TestRunRefuses(t *testing.T) {
	d := openLocked(t, 1)
	k := bind(t, d, op.SoftmaxCrossEntropyForward{N: 3, C: 4}, direct)
	for _, label := range []float32{-1, 4, 1.5, float32(math.NaN()), 1e9} {
		k.src[1].Host[1] = label
		if err := k.Run(k.dst, k.src); err == nil || !strings.Contains(err.Error(), "3 samples, 4 classes: a label is not") {
			t.Errorf("label %g: %v", label, err)
		}
	}
	if err := k.Run(k.dst[:1], k.src); !errors.Is(err, ErrOperand) {
		t.Errorf("an output too few: %v", err)
	}
	if err := k.Run(k.dst, []op.Buffer{k.src[0], {Device: 1}, k.src[2]}); !errors.Is(err, ErrOperand) {
		t.Errorf("an operand in device memory: %v", err)
	}
}

func TestClose(t *testing.T) {
	d, err := open(Options{})
	if err != nil {
		t.Fatal(err)
	}
	k := bind(t, d, op.SigmoidForward{Len: 3}, direct)
	for range 2 {
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if err := k.Run(k.dst, k.src); !errors.Is(err, ErrClosed) {
		t.Errorf("Run: %v", err)
	}
	if _, err := d.Compile(op.SigmoidForward{Len: 3}); !errors.Is(err, ErrClosed) {
		t.Errorf("Compile: %v", err)
	}
	if _, err := d.Alloc(1); !errors.Is(err, ErrClosed) {
		t.Errorf("Alloc: %v", err)
	}
}

func TestSigmoidExtremes(t *testing.T) {
	d := openLocked(t, 1)
	in := []float32{0, 1e-8, -1, 1, 20, -20, 79, -79, 81, -81, 1e30, -1e30, float32(math.Inf(1)), float32(math.Inf(-1)),
		float32(math.NaN()), 5, -5, 3} // a full vector and a tail
	k := bind(t, d, op.SigmoidForward{Len: len(in)}, direct)
	copy(k.src[0].Host, in)
	k.run(t)
	for i, x := range in {
		want := 1 / (1 + math.Exp(-float64(x)))
		got := float64(k.dst[0].Host[i])
		if math.IsNaN(want) != math.IsNaN(got) || math.Abs(got-want) > 5e-7*want+2e-35 {
			t.Errorf("sigmoid(%g) = %g, want %g", x, got, want)
		}
	}
	// Every binade, densely, to the relative error that sigmoid.h promises.
	worst := 0.0
	k = bind(t, d, op.SigmoidForward{Len: 1 << 16}, direct)
	for i := range k.src[0].Host {
		k.src[0].Host[i] = (float32(i) - 1<<15) / 512
	}
	k.run(t)
	for i, x := range k.src[0].Host {
		want := 1 / (1 + math.Exp(-float64(x)))
		worst = max(worst, math.Abs(float64(k.dst[0].Host[i])-want)/want)
	}
	t.Logf("largest relative error %.3g", worst)
	if worst > 5e-7 {
		t.Errorf("largest relative error %g", worst)
	}
}
