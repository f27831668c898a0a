package gradsync

import (
	"fmt"
	"math"
	"testing"
)

func TestLossesSurviveTheirEncoding(t *testing.T) {
	for _, micro := range []int{0, 1, 2, 59999} {
		for _, loss := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
			m, l := decodeLoss(encodeLoss(micro, loss))
			if m != micro || fmt.Sprint(l) != fmt.Sprint(loss) {
				t.Errorf("micro-batch %d with loss %v comes back as %d with %v", micro, loss, m, l)
			}
		}
	}
}

func TestTheFirstBadLossCounts(t *testing.T) {
	var l Losses
	for micro, loss := range []float64{1, math.Inf(1), math.NaN()} {
		l.Add(micro, loss)
	}
	if l != (Losses{true, 1, math.Inf(1)}) {
		t.Errorf("got %+v", l)
	}
}
