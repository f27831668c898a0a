//go:build gpu && cgo

package libs

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
)

// out fills in the sizes of the output.
func (s ConvShape) out() ConvShape {
	s.OutH = (s.H+2*s.PadH-s.KernelH)/s.StrideH + 1
	s.OutW = (s.W+2*s.PadW-s.KernelW)/s.StrideW + 1
	return s
}

var convShapes = []ConvShape{
	{N: 2, H: 7, W: 5, C: 8, OutC: 16, KernelH: 3, KernelW: 3, StrideH: 1, StrideW: 1, PadH: 1, PadW: 1},
	{N: 1, H: 9, W: 11, C: 3, OutC: 5, KernelH: 3, KernelW: 1, StrideH: 2, StrideW: 3, PadH: 2, PadW: 0}, // rows left over
	{N: 3, H: 12, W: 10, C: 1, OutC: 4, KernelH: 5, KernelW: 5, StrideH: 4, StrideW: 4, PadH: 0, PadW: 2},
	{N: 2, H: 6, W: 6, C: 8, OutC: 8, KernelH: 1, KernelW: 1, StrideH: 1, StrideW: 1},
	{N: 1, H: 4, W: 4, C: 2, OutC: 2, KernelH: 1, KernelW: 3, StrideH: 1, StrideW: 1, PadH: 1, PadW: 1},
}

// taps calls f for each product: the indices into x, w and y.
func (s ConvShape) taps(f func(x, w, y int)) {
	for n := range s.N {
		for oh := range s.OutH {
			for ow := range s.OutW {
				for o := range s.OutC {
					y := ((n*s.OutH+oh)*s.OutW+ow)*s.OutC + o
					for kh := range s.KernelH {
						for kw := range s.KernelW {
							h, w := oh*s.StrideH+kh-s.PadH, ow*s.StrideW+kw-s.PadW
							if h < 0 || h >= s.H || w < 0 || w >= s.W {
								continue
							}
							for c := range s.C {
								f(((n*s.H+h)*s.W+w)*s.C+c, ((o*s.KernelH+kh)*s.KernelW+kw)*s.C+c, y)
							}
						}
					}
				}
			}
		}
	}
}

// convCase is a convolution with its data, on the host and on the device.
type convCase struct {
	s              ConvShape
	bf16           bool
	conv           *Conv
	xv, wv, yv, bv []float32 // x, w, y or dy, bias
	x, w, y, bias  uintptr
	workspace      uintptr
}

const convWorkspace = 16 << 20

func convCases(t *testing.T, run func(t *testing.T, d *testDevice, c convCase)) {
	d := openDevice(t)
	dnn, err := OpenDNN(d.Stream())
	if err != nil {
		t.Fatal(err)
	}
	defer dnn.Close()
	workspace := d.Alloc(convWorkspace)
	rng := rand.New(rand.NewPCG(3, 4))
	for _, s := range convShapes {
		for _, kind := range []struct {
			name    string
			typ     Type
			compute Compute
		}{{"float32", F32, Strict}, {"TF32", F32, TF32}, {"bfloat16", BF16, Strict}} {
			s := s.out()
			s.Type, s.Compute = kind.typ, kind.compute
			c := convCase{s: s, bf16: s.Type == BF16, workspace: workspace,
				xv: eighths(rng, s.N*s.H*s.W*s.C), wv: eighths(rng, s.OutC*s.KernelH*s.KernelW*s.C),
				yv: eighths(rng, s.N*s.OutH*s.OutW*s.OutC), bv: eighths(rng, s.OutC)}
			c.x, c.w, c.y, c.bias = d.Put(c.xv, c.bf16), d.Put(c.wv, c.bf16), d.Put(c.yv, c.bf16), d.Put(c.bv, c.bf16)
			if c.conv, err = dnn.NewConv(s); err != nil {
				t.Fatal(err)
			}
			name := fmt.Sprintf("%d.%dx%dx%d-%dx%d/%d.%d+%d.%d-%d %s", s.N, s.H, s.W, s.C,
				s.KernelH, s.KernelW, s.StrideH, s.StrideW, s.PadH, s.PadW, s.OutC, kind.name)
			run(t, d, c)
			t.Log(name)
			if err := c.conv.Close(); err != nil {
				t.Fatal(err)
			}
			if t.Failed() {
				t.FailNow()
			}
		}
	}
}

// tolerated says that there is an error. Of the emulator's libraries, which can do all that is asked, it is a failure,
// and of a real one where that does not say that it cannot. A real cuDNN has no algorithm for some shapes and types,
// which package cuda lives with.
func tolerated(t *testing.T, err error, what string) bool {
	t.Helper()
	var refusal *Error
	switch {
	case err == nil:
		return false
	case onEmulator() || !errors.Is(err, ErrNotSupported) && !errors.As(err, &refusal):
		t.Fatalf("%s: %v", what, err)
	}
	t.Logf("%s: %v", what, err)
	return true
}

// checkPass finds the algorithms of a pass and runs each of them, onto NaN with beta 0 and onto old content with beta
// 1.
func (c convCase) checkPass(t *testing.T, d *testDevice, what string, want []float32, rng *rand.Rand,
	find func(out uintptr) ([]Algorithm, error), run func(a Algorithm, out uintptr, beta float32) error) {
	found, err := find(d.Put(nans(len(want)), c.bf16))
	if tolerated(t, err, what+" of "+fmt.Sprintf("%+v", c.s)) {
		return
	}
	if len(found) == 0 {
		tolerated(t, fmt.Errorf("no algorithm: %w", ErrNotSupported), what+" of "+fmt.Sprintf("%+v", c.s))
		return
	}
	for i, a := range found {
		if i > 0 && a.Milliseconds < found[i-1].Milliseconds {
			t.Errorf("%s: not sorted: %+v", what, found)
		}
		if a.WorkspaceBytes > convWorkspace {
			t.Errorf("%s: %+v needs more than the workspace", what, a)
		}
		out := d.Put(nans(len(want)), c.bf16)
		if tolerated(t, run(a, out, 0), fmt.Sprintf("%s %+v %+v", what, c.s, a)) {
			continue
		}
		compare(t, fmt.Sprintf("%s %+v %+v", what, c.s, a), d.Get(out, len(want), c.bf16), want, c.bf16)
		old := eighths(rng, len(want))
		sum := make([]float32, len(want))
		for i := range sum {
			sum[i] = want[i] + old[i]
		}
		out = d.Put(old, c.bf16)
		if tolerated(t, run(a, out, 1), fmt.Sprintf("%s %+v %+v onto old", what, c.s, a)) {
			continue
		}
		compare(t, fmt.Sprintf("%s %+v %+v onto old", what, c.s, a), d.Get(out, len(want), c.bf16), sum, c.bf16)
	}
}

func TestForward(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	convCases(t, func(t *testing.T, d *testDevice, c convCase) {
		want := make([]float32, len(c.yv))
		c.s.taps(func(x, w, y int) { want[y] += c.xv[x] * c.wv[w] })
		c.checkPass(t, d, "forward", want, rng,
			func(y uintptr) ([]Algorithm, error) {
				return c.conv.FindForward(c.x, c.w, y, c.workspace, convWorkspace)
			},
			func(a Algorithm, y uintptr, beta float32) error {
				return c.conv.Forward(a, c.x, c.w, y, c.workspace, a.WorkspaceBytes, beta)
			})
	})
}

func TestBackwardData(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 8))
	convCases(t, func(t *testing.T, d *testDevice, c convCase) {
		want := make([]float32, len(c.xv))
		c.s.taps(func(x, w, y int) { want[x] += c.yv[y] * c.wv[w] })
		c.checkPass(t, d, "backward data", want, rng,
			func(dx uintptr) ([]Algorithm, error) {
				return c.conv.FindBackwardData(c.w, c.y, dx, c.workspace, convWorkspace)
			},
			func(a Algorithm, dx uintptr, beta float32) error {
				return c.conv.BackwardData(a, c.w, c.y, dx, c.workspace, a.WorkspaceBytes, beta)
			})
	})
}

func TestBackwardWeights(t *testing.T) {
	rng := rand.New(rand.NewPCG(9, 10))
	convCases(t, func(t *testing.T, d *testDevice, c convCase) {
		want := make([]float32, len(c.wv))
		c.s.taps(func(x, w, y int) { want[w] += c.xv[x] * c.yv[y] })
		c.checkPass(t, d, "backward weights", want, rng,
			func(dw uintptr) ([]Algorithm, error) {
				return c.conv.FindBackwardWeights(c.x, c.y, dw, c.workspace, convWorkspace)
			},
			func(a Algorithm, dw uintptr, beta float32) error {
				return c.conv.BackwardWeights(a, c.x, c.y, dw, c.workspace, a.WorkspaceBytes, beta)
			})
	})
}

// The one algorithm that can must be there and right, and keep NaN.
func TestForwardBias(t *testing.T) {
	convCases(t, func(t *testing.T, d *testDevice, c convCase) {
		want := make([]float32, len(c.yv))
		for i := range want {
			want[i] = c.bv[i%c.s.OutC]
		}
		c.s.taps(func(x, w, y int) { want[y] += c.xv[x] * c.wv[w] })
		found, err := c.conv.FindForward(c.x, c.w, d.Alloc(4*len(want)), c.workspace, convWorkspace)
		if tolerated(t, err, fmt.Sprintf("%+v", c.s)) {
			return
		}
		ran := 0
		for _, a := range found {
			y := d.Put(nans(len(want)), c.bf16)
			err := c.conv.ForwardBias(a, c.x, c.w, c.bias, y, c.workspace, convWorkspace)
			if errors.Is(err, ErrNotSupported) || tolerated(t, err, fmt.Sprintf("%+v %+v", c.s, a)) {
				continue
			}
			ran++
			compare(t, fmt.Sprintf("%+v %+v", c.s, a), d.Get(y, len(want), c.bf16), want, c.bf16)
			nan := d.Put(nans(c.s.OutC), c.bf16)
			if err := c.conv.ForwardBias(a, c.x, c.w, nan, y, c.workspace, convWorkspace); err != nil {
				t.Fatal(err)
			}
			compare(t, fmt.Sprintf("%+v %+v with a bias of NaN", c.s, a), d.Get(y, len(want), c.bf16), nans(len(want)), c.bf16)
		}
		if ran == 0 {
			tolerated(t, fmt.Errorf("no algorithm ran: %w", ErrNotSupported), fmt.Sprintf("%+v", c.s))
		}
	})
}

func TestConvErrors(t *testing.T) {
	d := openDevice(t)
	dnn, err := OpenDNN(d.Stream())
	if err != nil {
		t.Fatal(err)
	}
	defer dnn.Close()
	s := convShapes[0].out()
	s.OutH++
	if _, err := dnn.NewConv(s); err == nil {
		t.Error("an output of the wrong height was accepted")
	}
	conv, err := dnn.NewConv(convShapes[0].out())
	if err != nil {
		t.Fatal(err)
	}
	defer conv.Close()
	p := d.Put(make([]float32, 4096), false)
	err = conv.Forward(Algorithm{ID: 99}, p, p, d.Alloc(4*4096), 0, 0, 0)
	var e *Error
	if !errors.As(err, &e) || e.Library != "cuDNN" || e.Call != "cudnnConvolutionForward" || e.Code == 0 || e.Text == "" {
		t.Errorf("an unknown algorithm: %#v", err)
	}
}

func TestConvAllocates(t *testing.T) {
	convCases(t, func(t *testing.T, d *testDevice, c convCase) {
		a := Algorithm{ID: ImplicitPrecompGEMM, Math: int(c.s.math()), WorkspaceBytes: convWorkspace}
		y := d.Alloc(4 * len(c.yv))
		var err error
		n := testing.AllocsPerRun(5, func() {
			if e := c.conv.Forward(a, c.x, c.w, y, c.workspace, convWorkspace, 0); e != nil {
				err = e
			}
			if e := c.conv.ForwardBias(a, c.x, c.w, c.bias, y, c.workspace, convWorkspace); e != nil {
				err = e
			}
		})
		if n != 0 && err == nil {
			t.Errorf("%v allocations", n)
		}
		tolerated(t, err, fmt.Sprintf("%+v", c.s))
	})
}
