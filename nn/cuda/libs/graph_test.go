//go:build gpu && cgo

package libs

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"ringloom/nn/cuda/libs/internal/gputest"
)

// Every plan of every pass against naive loops, onto NaN and onto old content, and again at other addresses.
func TestPlans(t *testing.T) {
	rng := rand.New(rand.NewPCG(11, 12))
	plans := 0
	convCases(t, func(t *testing.T, d *gputest.Device, c convCase) {
		forward, data, weights := make([]float32, len(c.yv)), make([]float32, len(c.xv)), make([]float32, len(c.wv))
		c.s.taps(func(x, w, y int) {
			forward[y] += c.xv[x] * c.wv[w]
			data[x] += c.yv[y] * c.wv[w]
			weights[w] += c.xv[x] * c.yv[y]
		})
		for _, p := range []struct {
			pass     Pass
			in1, in2 uintptr
			want     []float32
		}{{PassForward, c.x, c.w, forward}, {PassBackwardData, c.w, c.y, data}, {PassBackwardWeights, c.x, c.y, weights}} {
			for _, accumulate := range []bool{false, true} {
				list, err := c.conv.Plans(p.pass, accumulate, false, convWorkspace, 8)
				if errors.Is(err, ErrNotSupported) {
					t.Logf("pass %d, accumulate %v: %v", p.pass, accumulate, err)
					continue
				}
				if err != nil {
					t.Fatal(err)
				}
				for _, plan := range list {
					plans++
					for range 2 {
						old, want := nans(len(p.want)), p.want
						if accumulate {
							old, want = eighths(rng, len(p.want)), append([]float32(nil), p.want...)
							for i := range want {
								want[i] += old[i]
							}
						}
						out := d.Put(old, c.bf16)
						if err := plan.Run(p.in1, p.in2, out, c.workspace); err != nil {
							t.Fatal(err)
						}
						what := fmt.Sprintf("pass %d, accumulate %v, engine %d of %+v", p.pass, accumulate, plan.Engine, c.s)
						compare(t, what, d.Get(out, len(want), c.bf16), want, c.bf16)
					}
					out := d.Put(make([]float32, len(p.want)), c.bf16)
					if n := testing.AllocsPerRun(3, func() { err = plan.Run(p.in1, p.in2, out, c.workspace) }); n != 0 || err != nil {
						t.Errorf("%v allocations, %v", n, err)
					}
					if err := plan.Run(p.in1+4, p.in2, out, c.workspace); err == nil {
						t.Error("a misaligned address was accepted")
					}
				}
				for _, plan := range list {
					if err := plan.Close(); err != nil {
						t.Error(err)
					}
				}
			}
		}
	})
	if plans == 0 && onEmulator() {
		t.Fatal("the emulator has no plan")
	}
	if plans == 0 {
		t.Skip("this cuDNN has no graph API or no plan: plans were not tested")
	}
	t.Logf("%d plans", plans)
}

// Which of the emulator's engines are taken, and in what order: not one that rounds its inputs (17), nor one that is refused
// (1), nor one with too large a workspace (23); one that uses tensor cores (6) only where they are allowed and the channels suit.
func TestPlansOfEmulator(t *testing.T) {
	d := openDevice(t)
	if !onEmulator() {
		t.Skip("the engines of a real cuDNN are not known beforehand")
	}
	dnn, err := OpenDNN(d.Stream())
	if err != nil {
		t.Fatal(err)
	}
	defer dnn.Close()
	for _, c := range []struct {
		s      ConvShape
		steady bool
		most   int
		want   []int64
	}{
		{ConvShape{C: 8, Compute: Strict}, false, 8, []int64{11, 14, 0, 14}},
		{ConvShape{C: 8, Compute: TF32}, false, 8, []int64{11, 14, 6, 0, 14}},
		{ConvShape{C: 8, Compute: TF32}, true, 8, []int64{14, 6, 0, 14}},
		{ConvShape{C: 8, Compute: TF32}, true, 2, []int64{14, 6}},
		{ConvShape{C: 8, Type: BF16}, true, 8, []int64{14, 6, 0, 14}},
		{ConvShape{C: 3, Type: BF16}, true, 8, []int64{14, 0, 14}},
	} {
		s := convShapes[0].out()
		s.C, s.Type, s.Compute = c.s.C, c.s.Type, c.s.Compute
		conv, err := dnn.NewConv(s)
		if err != nil {
			t.Fatal(err)
		}
		plans, err := conv.Plans(PassForward, false, c.steady, convWorkspace, c.most)
		if err != nil {
			t.Fatal(err)
		}
		var got []int64
		for _, p := range plans {
			got = append(got, p.Engine)
			if p.Deterministic != (p.Engine != 11) {
				t.Errorf("engine %d: deterministic %v", p.Engine, p.Deterministic)
			}
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%+v: engines %v, not %v", c, got, c.want)
		}
		for _, p := range plans {
			if err := p.Close(); err != nil {
				t.Error(err)
			}
		}
		if err := conv.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestAllowedNotes(t *testing.T) {
	const tensorCore, down, reduced, random = 1 << 0, 1 << 1, 1 << 2, 1 << 4
	for _, c := range []struct {
		s     ConvShape
		notes uint
		want  bool
	}{
		{ConvShape{Type: F32, Compute: Strict}, random, true},
		{ConvShape{Type: F32, Compute: Strict}, tensorCore, false},
		{ConvShape{Type: F32, Compute: TF32}, tensorCore, true},
		{ConvShape{Type: F32, Compute: TF32}, tensorCore | down, false},
		{ConvShape{Type: BF16}, tensorCore, true},
		{ConvShape{Type: BF16}, tensorCore | reduced, false},
	} {
		if got := c.s.allows(c.notes); got != c.want {
			t.Errorf("%+v with notes %b: %v", c.s, c.notes, got)
		}
	}
}
