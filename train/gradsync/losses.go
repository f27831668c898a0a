package gradsync

import (
	"fmt"
	"math"
)

// Losses is what a rank has to say of the losses of its micro-batches in a step. The zero value has seen none.
type Losses struct {
	bad   bool
	micro int // the first whose loss is not finite
	value float64
}

// Add looks at the loss of a micro-batch.
func (l *Losses) Add(micro int, loss float64) {
	if !l.bad && !Finite(loss) {
		*l = Losses{true, micro, loss}
	}
}

// LossError says that a loss is not finite. Every rank's Wait returns it alike, and no rank can commit the step.
type LossError struct {
	Rank  int     // the first one with such a loss
	Micro int     // which of its micro-batches, from 0
	Value float64 // NaN or an infinity
}

func (e *LossError) Error() string {
	return fmt.Sprintf("the loss of micro-batch %d of rank %d is %v", e.Micro, e.Rank, e.Value)
}

// badLosses are the losses that are not finite.
var badLosses = [3]float64{math.NaN(), math.Inf(1), math.Inf(-1)}

// encodeLoss packs a micro-batch and the kind of its loss into a positive number that float32 holds exactly (the
// micro-batches of any data set are fewer than 2^22).
func encodeLoss(micro int, loss float64) float32 {
	kind := 0
	if math.IsInf(loss, 1) {
		kind = 1
	} else if math.IsInf(loss, -1) {
		kind = 2
	}
	return float32(1 + len(badLosses)*micro + kind)
}

func decodeLoss(code float32) (micro int, loss float64) {
	n := int(code) - 1
	return n / len(badLosses), badLosses[n%len(badLosses)]
}

// Finite says that x is neither NaN nor an infinity.
func Finite(x float64) bool { return !math.IsNaN(x) && !math.IsInf(x, 0) }
