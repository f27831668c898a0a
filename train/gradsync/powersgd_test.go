package gradsync

import (
	"errors"
	"math"
	"slices"
	"testing"

	"ringloom/allreduce"
	"ringloom/allreduce/allreducetest"
	"ringloom/nn"
	"ringloom/nn/purego"
)

func l2(v []float32) float64 {
	sum := 0.0
	for _, x := range v {
		sum += float64(x) * float64(x)
	}
	return math.Sqrt(sum)
}

const testRows, testCols = 128, 160

// exchangeFactors takes steps of PowerSGD over a ring, in which rank r's gradient is gradient(r, step), and returns the sums
// that arrive in the last.
func exchangeFactors(t *testing.T, world, rank, steps int, gradient func(rank, step int) []float32) [][]float32 {
	t.Helper()
	ring := allreduce.DefaultConfig()
	ring.Job, ring.View, ring.WorldSize = "test", 1, world
	groups, _ := allreducetest.Groups(ring, allreducetest.Faults{})
	defer allreducetest.CloseAll(groups)
	out := make([][]float32, world)
	errs := allreducetest.Run(groups, func(g *allreduce.Group) error {
		device := purego.New()
		defer device.Close()
		cfg := Config{Rank: g.Rank(), WorldSize: world, PowerSGD: rank}
		params := &nn.Params{List: []nn.Param{{Layer: "Linear", Kind: "weight", Shape: []int{testRows, testCols}, Len: testRows * testCols}}}
		params.Grads, _ = device.Alloc(params.Len())
		plan := NewPlan(cfg, params.List)
		left, err := newResiduals(device, params.Len(), plan)
		if err != nil {
			return err
		}
		s, err := newPowerSGD(cfg, device, params, left, plan)
		if err != nil {
			return err
		}
		f := s.matrix(0, 0)
		for step := range steps {
			copy(params.Grads.Host, gradient(g.Rank(), step))
			if err := s.project(f, step, left); err != nil {
				return err
			}
			if err := g.AllReduce(t.Context(), f.p); err != nil {
				return err
			}
			if err := f.backProject(); err != nil {
				return err
			}
			if err := g.AllReduce(t.Context(), f.q); err != nil {
				return err
			}
			f.expand(1.0 / float32(g.WorldSize()))
			left.commit()
			s.commit()
		}
		out[g.Rank()] = slices.Clone(params.Grads.Host)
		return nil
	})
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	for r, v := range out {
		if !slices.Equal(v, out[0]) {
			t.Errorf("rank %d has another sum than rank 0", r)
		}
	}
	return out
}

// product is a matrix of the given rank, the same for the same seed.
func product(k int, seed uint64) []float32 {
	v := make([]float32, testRows*testCols)
	decompress(v, make([]float32, len(v)), randomMatrix(k*testRows, seed), randomMatrix(k*testCols, seed+1), k, 0)
	return v
}

// Gradients whose sum has no higher rank than the factors arrive whole in the first step, and nothing is left over.
func TestFactorsHoldAMatrixOfTheirRank(t *testing.T) {
	for _, world := range []int{2, 3} {
		for _, steps := range []int{1, 3} {
			out := exchangeFactors(t, world, 4, steps, func(rank, step int) []float32 { return product(1, uint64(100*step+10*rank)) })
			want := make([]float32, testRows*testCols)
			for r := range world {
				addTo(want, product(1, uint64(100*(steps-1)+10*r)))
			}
			for i, v := range out[0] {
				want[i] -= v
			}
			if off := l2(want) / l2(out[0]); off > 1e-4 {
				t.Errorf("%d ranks, step %d: the sum is off by %v", world, steps, off)
			}
		}
	}
}

// A gradient of zeros leaves no factor to start from.
func TestFactorsBeginAnewBehindZeros(t *testing.T) {
	out := exchangeFactors(t, 2, 2, 3, func(rank, step int) []float32 {
		if step == 1 {
			return make([]float32, testRows*testCols)
		}
		return product(1, 7)
	})
	want := product(1, 7)
	for i := range want {
		want[i] = 2*want[i] - out[0][i]
	}
	if off := l2(want) / l2(out[0]); off > 1e-5 {
		t.Errorf("after a gradient of zeros the sum is off by %v", off)
	}
}
