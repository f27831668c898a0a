package scaling

import (
	"math/rand/v2"
	"testing"
)

// Least squares under p >= 0 is solved exactly where the gradient is 0 in every unknown above 0, and not below 0 in
// every other (Karush, Kuhn and Tucker).
func TestNonNegativeIsTheMinimum(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	bounded := 0
	for range 500 {
		rows := make([][3]float64, 3+r.IntN(8))
		for i := range rows {
			rows[i] = [3]float64{1e3 * r.Float64(), 1e9 * r.Float64(), r.Float64() - 0.3}
		}
		p := nonNegative(rows)
		scales := [3]float64{1e3, 1e9, 1}
		for j := range p {
			gradient := 0.0
			for _, x := range rows {
				gradient += x[j] / scales[j] * (x[0]*p[0] + x[1]*p[1] + x[2]*p[2] - 1)
			}
			if p[j] < 0 || p[j] > 0 && (gradient > 1e-7 || gradient < -1e-7) || p[j] == 0 && gradient < -1e-7 {
				t.Fatalf("%v: unknown %d of %v has gradient %g", rows, j, p, gradient)
			}
			if p[j] == 0 {
				bounded++
			}
		}
	}
	if bounded == 0 {
		t.Error("no case had an unknown at its bound")
	}
}

func TestNonNegativeOfColumnsThatAreTheSame(t *testing.T) {
	p := nonNegative([][3]float64{{1, 2, 4}, {2, 1, 2}, {3, 5, 10}})
	if p[1] != 0 && p[2] != 0 {
		t.Errorf("a multiple of a column cannot be told from it: %v", p)
	}
}
