//go:build gpu && cgo

package libs

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

// planForms are the operations that plans are tested for.
var planForms = []Operation{
	{Pass: PassForward},
	{Pass: PassForward, Accumulate: true},
	{Pass: PassForward, Bias: true},
	{Pass: PassForward, ReLU: true},
	{Pass: PassForward, Bias: true, ReLU: true},
	{Pass: PassBackwardData},
	{Pass: PassBackwardData, Accumulate: true},
	{Pass: PassBackwardWeights},
	{Pass: PassBackwardWeights, Accumulate: true},
}

// planCase is an operation with its operands on the device, and with its result on the host if the output holds
// nothing.
type planCase struct {
	convCase
	op             Operation
	in1, in2, bias uintptr
	want           []float32
}

func (c convCase) planCase(d *testDevice, op Operation) planCase {
	p := planCase{convCase: c, op: op}
	switch op.Pass {
	case PassForward:
		p.in1, p.in2, p.want = c.x, c.w, make([]float32, len(c.yv))
		c.s.taps(func(x, w, y int) { p.want[y] += c.xv[x] * c.wv[w] })
	case PassBackwardData:
		p.in1, p.in2, p.want = c.w, c.y, make([]float32, len(c.xv))
		c.s.taps(func(x, w, y int) { p.want[x] += c.yv[y] * c.wv[w] })
	default:
		p.in1, p.in2, p.want = c.x, c.y, make([]float32, len(c.wv))
		c.s.taps(func(x, w, y int) { p.want[w] += c.xv[x] * c.yv[y] })
	}
	if op.Bias {
		p.bias = d.Put(c.bv, false)
	}
	for i := range p.want {
		if op.Bias {
			p.want[i] += c.bv[i%c.s.OutC]
		}
		if op.ReLU {
			p.want[i] = max(p.want[i], 0)
		}
	}
	return p
}

// check runs a plan onto NaN or, if it accumulates, onto old content, twice: at other addresses.
func (p planCase) check(t *testing.T, d *testDevice, plan *Plan, rng *rand.Rand) {
	t.Helper()
	for range 2 {
		old, want := nans(len(p.want)), slices.Clone(p.want)
		if p.op.Accumulate {
			old = eighths(rng, len(want))
			for i := range want {
				want[i] += old[i]
			}
		}
		out := d.Put(old, p.bf16)
		if tolerated(t, plan.Run(p.in1, p.in2, p.bias, out, p.workspace), fmt.Sprintf("%+v, engine %d of %+v", p.op, plan.Engine, p.s)) {
			return
		}
		compare(t, fmt.Sprintf("%+v, engine %d of %+v", p.op, plan.Engine, p.s), d.Get(out, len(want), p.bf16), want, p.bf16)
	}
}

func closePlans(t *testing.T, plans ...*Plan) {
	t.Helper()
	for _, p := range plans {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	}
}

// Every plan of every form against naive loops.
func TestPlans(t *testing.T) {
	rng := rand.New(rand.NewPCG(11, 12))
	plans := map[Operation]int{}
	convCases(t, func(t *testing.T, d *testDevice, c convCase) {
		for _, op := range planForms {
			most := 8
			if (op.Bias || op.ReLU) && !onEmulator() {
				most = 2 // cuDNN compiles a kernel for each, which takes it a second
			}
			list, err := c.conv.Plans(op, false, convWorkspace, most)
			if errors.Is(err, ErrNotSupported) { // anything else would be a graph that this package describes wrongly
				t.Logf("%+v: %v", op, err)
				continue
			}
			if err != nil {
				t.Fatal(err)
			}
			p := c.planCase(d, op)
			for _, plan := range list {
				plans[op]++
				p.check(t, d, plan, rng)
				out := d.Put(make([]float32, len(p.want)), c.bf16)
				run := func() { err = errors.Join(err, plan.Run(p.in1, p.in2, p.bias, out, c.workspace)) }
				if n := testing.AllocsPerRun(3, run); n != 0 || err != nil {
					t.Errorf("%v allocations, %v", n, err)
				}
				if err := plan.Run(p.in1+4, p.in2, p.bias, out, c.workspace); err == nil {
					t.Error("a misaligned address was accepted")
				}
				other := c.bias
				if op.Bias {
					other = 0
				}
				if err := plan.Run(p.in1, p.in2, other, out, c.workspace); err != errBias { // cuDNN need not notice
					t.Errorf("%+v with a bias too many or too few: %v", op, err)
				}
			}
			closePlans(t, list...)
		}
	})
	for _, op := range planForms {
		if plans[op] == 0 && onEmulator() {
			t.Errorf("the emulator has no plan of %+v", op)
		}
	}
	if len(plans) == 0 {
		t.Skip("this cuDNN has no graph API or no plan: plans were not tested")
	}
	t.Logf("%v plans", plans)
}

// emulatedDNN is the emulator's cuDNN, whose engines the tests know.
func emulatedDNN(t *testing.T) *DNN {
	t.Helper()
	d := openDevice(t)
	if !onEmulator() {
		t.Skip("the engines of a real cuDNN are not known beforehand")
	}
	dnn, err := OpenDNN(d.Stream())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := dnn.Close(); err != nil {
			t.Error(err)
		}
	})
	return dnn
}

func mustConv(t *testing.T, dnn *DNN, s ConvShape) *Conv {
	t.Helper()
	conv, err := dnn.NewConv(s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := conv.Close(); err != nil {
			t.Error(err)
		}
	})
	return conv
}

// Which of the emulator's configurations are taken, and in what order: 17, 11, 1, 23, 14 and 6 of mode A, then 1, 0 and
// 14. Not one that rounds its inputs (17), nor one that is refused (1) or that does not fuse (0), nor one with too
// large a workspace (23); one that uses tensor cores (6) only where they are allowed and the channels suit.
func TestPlansOfEmulator(t *testing.T) {
	dnn := emulatedDNN(t)
	for _, c := range []struct {
		s       ConvShape
		op      Operation
		steady  bool
		most    int
		engines []int64
		configs []int
	}{
		{ConvShape{C: 8, Compute: Strict}, Operation{}, false, 8, []int64{11, 14, 0, 14}, []int{1, 4, 7, 8}},
		{ConvShape{C: 8, Compute: TF32}, Operation{}, false, 8, []int64{11, 14, 6, 0, 14}, []int{1, 4, 5, 7, 8}},
		{ConvShape{C: 8, Compute: TF32}, Operation{}, true, 8, []int64{14, 6, 0, 14}, []int{4, 5, 7, 8}},
		{ConvShape{C: 8, Compute: TF32}, Operation{}, true, 2, []int64{14, 6}, []int{4, 5}},
		{ConvShape{C: 8, Type: BF16}, Operation{}, true, 8, []int64{14, 6, 0, 14}, []int{4, 5, 7, 8}},
		{ConvShape{C: 3, Type: BF16}, Operation{}, true, 8, []int64{14, 0, 14}, []int{4, 7, 8}},
		{ConvShape{C: 8, Compute: Strict}, Operation{Bias: true}, true, 8, []int64{14, 14}, []int{4, 8}},
		{ConvShape{C: 8, Compute: TF32}, Operation{Bias: true, ReLU: true}, true, 8, []int64{14, 6, 14}, []int{4, 5, 8}},
		{ConvShape{C: 3, Type: BF16}, Operation{ReLU: true}, false, 8, []int64{11, 14, 14}, []int{1, 4, 8}},
	} {
		s := convShapes[0].out()
		s.C, s.Type, s.Compute = c.s.C, c.s.Type, c.s.Compute
		conv := mustConv(t, dnn, s)
		plans, err := conv.Plans(c.op, c.steady, convWorkspace, c.most)
		if err != nil {
			t.Fatal(err)
		}
		var engines []int64
		var configs []int
		for _, p := range plans {
			engines, configs = append(engines, p.Engine), append(configs, p.Config)
			if p.Deterministic != (p.Engine != 11) {
				t.Errorf("engine %d: deterministic %v", p.Engine, p.Deterministic)
			}
		}
		if !slices.Equal(engines, c.engines) || !slices.Equal(configs, c.configs) {
			t.Errorf("%+v: engines %v at %v", c, engines, configs)
		}
		closePlans(t, plans...)
	}
}

func TestAllowedNotes(t *testing.T) {
	const tensorCore, down, reduced, fft, random, winograd = 1 << 0, 1 << 1, 1 << 2, 1 << 3, 1 << 4, 1 << 5
	for _, c := range []struct {
		s     ConvShape
		notes uint
		want  bool
	}{
		{ConvShape{Type: F32, Compute: Strict}, random, true},
		{ConvShape{Type: F32, Compute: Strict}, tensorCore, false},
		{ConvShape{Type: F32, Compute: TF32}, tensorCore, true},
		{ConvShape{Type: F32, Compute: TF32}, tensorCore | down, false},
		{ConvShape{Type: F32, Compute: Strict}, fft | winograd, true},
		{ConvShape{Type: F32, Compute: Strict, AsDefined: true}, random, true},
		{ConvShape{Type: F32, Compute: Strict, AsDefined: true}, fft, false},
		{ConvShape{Type: F32, Compute: Strict, AsDefined: true}, winograd, false},
		{ConvShape{Type: BF16}, tensorCore, true},
		{ConvShape{Type: BF16}, tensorCore | reduced, false},
	} {
		if got := c.s.allows(c.notes); got != c.want {
			t.Errorf("%+v with notes %b: %v", c.s, c.notes, got)
		}
	}
}
