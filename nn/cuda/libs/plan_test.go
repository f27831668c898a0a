//go:build gpu && cgo

package libs

import (
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// Each plan of each form is found again by its engine and the place of its configuration, and computes the same.
func TestPlanAgain(t *testing.T) {
	rng := rand.New(rand.NewPCG(13, 14))
	again := 0
	convCases(t, func(t *testing.T, d *testDevice, c convCase) {
		if c.s.KernelH != 3 || c.s.C != 8 { // one shape is enough: building takes time
			return
		}
		for _, op := range planForms {
			plans, err := c.conv.Plans(op, false, convWorkspace, 4)
			if errors.Is(err, ErrNotSupported) {
				t.Logf("%+v: %v", op, err)
				continue
			}
			if err != nil {
				t.Fatal(err)
			}
			p := c.planCase(d, op)
			for _, first := range plans {
				again++
				plan, err := c.conv.Plan(op, first.Engine, first.Config)
				if err != nil {
					t.Fatal(err)
				}
				if plan.Engine != first.Engine || plan.Config != first.Config || plan.WorkspaceBytes != first.WorkspaceBytes || plan.Deterministic != first.Deterministic {
					t.Errorf("%+v: %+v is not %+v", op, plan, first)
				}
				p.check(t, d, plan, rng)
				closePlans(t, plan)
				if plan, err = c.conv.Plan(op, first.Engine+1000, first.Config); !errors.Is(err, ErrNotSupported) {
					t.Errorf("%+v: another engine at %d: %v, %v", op, first.Config, plan, err)
				}
			}
			closePlans(t, plans...)
			for _, config := range []int{-1, 1 << 30} {
				if plan, err := c.conv.Plan(op, 0, config); !errors.Is(err, ErrNotSupported) {
					t.Errorf("configuration %d: %v, %v", config, plan, err)
				}
			}
		}
	})
	if again == 0 && onEmulator() {
		t.Error("the emulator has no plan")
	}
}

// A plan keeps what it last told cuDNN of the addresses, but not longer than they stay the same.
func TestPlanFollowsAddresses(t *testing.T) {
	convCases(t, func(t *testing.T, d *testDevice, c convCase) {
		p := c.planCase(d, Operation{Bias: true})
		plans, err := c.conv.Plans(p.op, false, convWorkspace, 2)
		if err != nil && !errors.Is(err, ErrNotSupported) {
			t.Fatal(err)
		}
		zeros := d.Put(make([]float32, max(len(c.xv), len(c.wv))), c.bf16)
		biasAlone, sumsAlone := make([]float32, len(p.want)), make([]float32, len(p.want))
		for i := range p.want {
			biasAlone[i] = c.bv[i%c.s.OutC]
			sumsAlone[i] = p.want[i] - biasAlone[i]
		}
		for _, plan := range plans {
			out := d.Put(nans(len(p.want)), c.bf16)
			for _, r := range []struct {
				in1, in2, bias, out uintptr
				want                []float32
			}{
				{p.in1, p.in2, p.bias, out, p.want},
				{zeros, p.in2, p.bias, out, biasAlone},
				{p.in1, zeros, p.bias, out, biasAlone},
				{p.in1, p.in2, zeros, out, sumsAlone},
				{p.in1, p.in2, p.bias, out, p.want},
				{p.in1, p.in2, p.bias, d.Put(nans(len(p.want)), c.bf16), p.want},
			} {
				if err := plan.Run(r.in1, r.in2, r.bias, r.out, c.workspace); err != nil {
					t.Fatal(err)
				}
				compare(t, "at other addresses", d.Get(r.out, len(r.want), c.bf16), r.want, c.bf16)
			}
			if !onEmulator() || plan.WorkspaceBytes == 0 {
				continue
			}
			words := int(plan.WorkspaceBytes+3) / 4
			workspace := d.Put(make([]float32, words), false) // of which the emulator uses every byte
			if err := plan.Run(p.in1, p.in2, p.bias, out, workspace); err != nil {
				t.Fatal(err)
			}
			if slices.Contains(d.Get(workspace, words, false), 0) {
				t.Error("another workspace was not used")
			}
		}
		closePlans(t, plans...)
	})
}

// Of the emulator's configurations 4 and 8 are of one engine with other knobs; at 0 is one that rounds, at 2 one that
// is never built, at 7 one that does not fuse.
func TestPlanOfEmulator(t *testing.T) {
	s := convShapes[0].out()
	s.Compute = TF32
	conv := mustConv(t, emulatedDNN(t), s)
	fused := Operation{Bias: true, ReLU: true}
	first, err := conv.Plan(fused, 14, 4)
	if err != nil {
		t.Fatal(err)
	}
	second, err := conv.Plan(fused, 14, 8)
	if err != nil {
		t.Fatal(err)
	}
	if first.WorkspaceBytes == second.WorkspaceBytes {
		t.Errorf("two configurations take %d bytes", first.WorkspaceBytes)
	}
	plain, err := conv.Plan(Operation{}, 0, 7)
	if err != nil {
		t.Fatal(err)
	}
	closePlans(t, first, second, plain)
	for _, c := range []struct {
		op     Operation
		engine int64
		config int
	}{{Operation{}, 14, 5}, {Operation{}, 6, 4}, {Operation{}, 17, 0}, {Operation{}, 1, 2}, {Operation{}, 14, 9}, {fused, 0, 7}} {
		if p, err := conv.Plan(c.op, c.engine, c.config); !errors.Is(err, ErrNotSupported) {
			t.Errorf("%+v: %+v, %v", c, p, err)
		}
	}
}

func TestOperationErrors(t *testing.T) {
	conv := mustConv(t, emulatedDNN(t), convShapes[0].out())
	for _, c := range []struct {
		op   Operation
		want string
	}{
		{Operation{Pass: 3}, "no pass 3"},
		{Operation{Pass: -1}, "no pass -1"},
		{Operation{Pass: PassBackwardData, Bias: true}, "backward"},
		{Operation{Pass: PassBackwardWeights, ReLU: true}, "backward"},
		{Operation{Accumulate: true, Bias: true}, "adds to what its output holds"},
		{Operation{Accumulate: true, ReLU: true}, "adds to what its output holds"},
	} {
		_, err := conv.Plans(c.op, false, convWorkspace, 8)
		_, errOne := conv.Plan(c.op, 14, 4)
		for _, err := range []error{err, errOne} {
			if err == nil || errors.Is(err, ErrNotSupported) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%+v: %v", c.op, err)
			}
		}
	}
}

// A NaN of x is one of y behind a ReLU, as far as an engine does what it is asked for.
func TestFusedPlansKeepNaN(t *testing.T) {
	convCases(t, func(t *testing.T, d *testDevice, c convCase) {
		xv, reached := append([]float32(nil), c.xv...), make([]bool, len(c.yv))
		const at = 0
		xv[at] = float32(math.NaN())
		c.s.taps(func(x, w, y int) { reached[y] = reached[y] || x == at })
		x := d.Put(xv, c.bf16)
		for _, op := range []Operation{{ReLU: true}, {Bias: true, ReLU: true}} {
			plans, err := c.conv.Plans(op, false, convWorkspace, 2)
			if err != nil && !errors.Is(err, ErrNotSupported) {
				t.Fatal(err)
			}
			p := c.planCase(d, op)
			for _, plan := range plans {
				y := d.Put(make([]float32, len(c.yv)), c.bf16)
				if err := plan.Run(x, p.in2, p.bias, y, c.workspace); err != nil {
					t.Fatal(err)
				}
				for i, v := range d.Get(y, len(c.yv), c.bf16) {
					if (v != v) == reached[i] {
						continue
					}
					if onEmulator() {
						t.Fatalf("%+v, engine %d of %+v: element %d is %v", op, plan.Engine, c.s, i, v)
					}
					t.Logf("%+v, engine %d of %+v: element %d is %v: NaN is not kept", op, plan.Engine, c.s, i, v)
					break
				}
			}
			closePlans(t, plans...)
		}
	})
}
