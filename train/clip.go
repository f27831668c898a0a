package train

import (
	"context"
	"math"

	"ringloom/train/gradsync"
	"ringloom/train/optim"
)

// clipping is what the gradient's norm makes of a step's update.
type clipping struct{ norm, scale float64 }

// clip finds the factor by which the update is scaled: 1 without clipping.
func (w *Worker) clip(ctx context.Context) (clipping, error) {
	if w.ClipNorm == 0 {
		return clipping{scale: 1}, nil
	}
	norm, err := w.grads.Norm(ctx)
	if err == nil && !gradsync.Finite(norm) {
		err = &normError{norm}
	}
	return clipping{norm, optim.ClipScale(w.ClipNorm, norm)}, err
}

// norms collects the gradient norms of an epoch's steps.
type norms struct {
	Sum float64 `json:"sum"`
	Max float64 `json:"max"`
	N   int     `json:"steps"`
}

func (n *norms) add(norm float64) {
	n.Sum += norm
	n.Max = math.Max(n.Max, norm)
	n.N++
}

// mean is 0 without a step.
func (n *norms) mean() float64 {
	if n.N == 0 {
		return 0
	}
	return n.Sum / float64(n.N)
}
