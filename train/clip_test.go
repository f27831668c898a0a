package train

import (
	"errors"
	"math"
	"slices"
	"testing"
)

// With plain SGD at rate 1 the update is the clipped gradient itself.
func TestClippingBoundsTheNormOfTheWholeGradient(t *testing.T) {
	cfg := testConfig()
	cfg.Optimizer, cfg.Momentum, cfg.LearningRate = "sgd", 0, 1
	start := slices.Clone(loneWorker(t, cfg, nil).values())
	free := oneStep(t, cfg, 16)
	norm := l2(free.params.Grads.Host)
	for _, limit := range []float64{norm / 10, norm * 10} {
		cfg.ClipNorm = limit
		w := oneStep(t, cfg, 16)
		if math.Abs(w.ledger.norms.Max-norm) > 1e-6*norm {
			t.Errorf("norm before clipping %v, want %v", w.ledger.norms.Max, norm)
		}
		move := make([]float32, len(start))
		for i, v := range w.values() {
			move[i] = start[i] - v
		}
		if got, want := l2(move), min(limit, norm); math.Abs(got-want) > 1e-4*want {
			t.Errorf("limit %v: the update's norm is %v, want %v", limit, got, want)
		}
	}
}

func TestClippingIsTheSameOnOneAndFourRanks(t *testing.T) {
	cfg := testConfig()
	cfg.ClipNorm = 0.2
	alone, errs := trainRing(t, cfg, 1, nil)
	four, more := trainRing(t, cfg, 4, nil)
	if err := errors.Join(append(errs, more...)...); err != nil {
		t.Fatal(err)
	}
	for rank, o := range four {
		if !slices.Equal(o.values, four[0].values) {
			t.Errorf("rank %d ends with other parameters than rank 0", rank)
		}
		for i, e := range o.epochs {
			a := alone[0].epochs[i]
			if a.NormMax < cfg.ClipNorm || a.NormMean > a.NormMax {
				t.Errorf("epoch %d: norms of mean %v and maximum %v do not test the limit of %v", i+1, a.NormMean, a.NormMax, cfg.ClipNorm)
			}
			if e.NormMax != four[0].epochs[i].NormMax || math.Abs(e.NormMax-a.NormMax) > 1e-4 || math.Abs(e.NormMean-a.NormMean) > 1e-4 {
				t.Errorf("epoch %d: rank %d of 4 has norms %v and %v, alone %v and %v", i+1, rank, e.NormMean, e.NormMax, a.NormMean, a.NormMax)
			}
			for s, loss := range e.StepLoss {
				if math.Abs(loss-a.StepLoss[s]) > 1e-4 {
					t.Errorf("epoch %d step %d: loss %v, alone %v", i+1, s+1, loss, a.StepLoss[s])
				}
			}
		}
	}
}
