package train

import (
	"math"
	"testing"
)

// The expected values are the methods' definitions, worked through in float64.
func TestOptimizersFollowTheirDefinition(t *testing.T) {
	grads := [][]float64{{0.5, -2, 0}, {0.25, 1, 0}, {-1, 3, 1e-4}}
	start := []float64{1, -1, 0.5}

	adam := func(steps int) []float64 {
		value := append([]float64(nil), start...)
		m, s := make([]float64, 3), make([]float64, 3)
		for t := 1; t <= steps; t++ {
			for i, g := range grads[t-1] {
				m[i] = 0.9*m[i] + 0.1*g
				s[i] = 0.999*s[i] + 0.001*g*g
				value[i] -= 0.01 * (m[i] / (1 - math.Pow(0.9, float64(t)))) /
					(math.Sqrt(s[i]/(1-math.Pow(0.999, float64(t)))) + 1e-8)
			}
		}
		return value
	}
	sgd := func(steps int) []float64 {
		value := append([]float64(nil), start...)
		v := make([]float64, 3)
		for t := range steps {
			for i, g := range grads[t] {
				v[i] = 0.9*v[i] + g
				value[i] -= 0.01 * v[i]
			}
		}
		return value
	}

	for name, want := range map[string]func(int) []float64{"adam": adam, "sgd": sgd} {
		t.Run(name, func(t *testing.T) {
			opt, err := NewOptimizer(name, 3, 0.01, 0.9)
			if err != nil {
				t.Fatal(err)
			}
			got := []float32{1, -1, 0.5}
			for step := range grads {
				g := make([]float32, 3)
				for i := range g {
					g[i] = float32(grads[step][i])
				}
				opt.Advance()
				opt.Update(got, g, 0, 2) // two ranges: buckets arrive apart
				opt.Update(got, g, 2, 3)
				for i, w := range want(step + 1) {
					if math.Abs(float64(got[i])-w) > 1e-6 {
						t.Errorf("step %d element %d: got %g, want %g", step, i, got[i], w)
					}
				}
			}
		})
	}
}

func TestUnknownOptimizerListsTheKnown(t *testing.T) {
	if _, err := NewOptimizer("lion", 1, 1, 0); err == nil || err.Error() != `unknown optimizer "lion": choose one of adam, sgd` {
		t.Fatalf("got %v", err)
	}
}
