package nntest

import (
	"math"
	"testing"

	"ringloom/nn"
)

// differences compares every element of every gradient with central differences of the forward kernel. The scalar
// differentiated is r·y for a fixed random r, summed in float64. All operations but sigmoid and the loss are linear in
// each operand alone, so that a step of 1/2 has no truncation error and rounding hardly matters.
func differences(t *testing.T, d nn.Device) {
	for _, l := range smallLayers() {
		t.Run(l.name, func(t *testing.T) {
			b := bench{t, d}
			forward := b.compile(l.forward)
			src := b.source(l.forward)
			lens, _ := nn.Operands(l.forward)
			y, r := b.empty(lens[0]), b.buffer(lens[0], 99)
			step, tolerance := 0.5, 1e-4
			if l.fromOutput {
				step, tolerance = 1e-2, 1e-3
			}
			value := func() float64 {
				b.run(forward, []nn.Buffer{y}, src)
				return dot(r.Host, y.Host)
			}

			second := y
			if !l.fromOutput && len(src) > 1 {
				second = src[1]
			}
			value()
			dx := b.empty(len(src[0].Host))
			operands := []nn.Buffer{r, second}
			_, n := nn.Operands(l.data)
			b.run(b.compile(l.data), []nn.Buffer{dx}, operands[:len(n)])
			check(t, "dx", dx.Host, src[0].Host, step, tolerance, value)
			if l.weights == nil {
				return
			}
			dw, db := b.empty(len(src[1].Host)), b.empty(len(src[2].Host))
			b.run(b.compile(l.weights), []nn.Buffer{dw, db}, []nn.Buffer{r, src[0]})
			check(t, "dw", dw.Host, src[1].Host, step, tolerance, value)
			check(t, "db", db.Host, src[2].Host, step, tolerance, value)
		})
	}

	for _, spec := range losses[:3] {
		t.Run("loss "+spec.String(), func(t *testing.T) {
			b := bench{t, d}
			k, src := b.compile(spec), b.source(spec)
			stats, dlogits, other := b.empty(2), b.empty(spec.N*spec.C), b.empty(spec.N*spec.C)
			b.run(k, []nn.Buffer{stats, dlogits}, src)
			check(t, "dlogits", dlogits.Host, src[0].Host, 1e-2, 1e-3, func() float64 {
				b.run(k, []nn.Buffer{stats, other}, src)
				return float64(stats.Host[0])
			})
		})
	}
}

// check compares gradient with (value(x+step) - value(x-step)) / 2 step for each element of x, which it moves and
// puts back.
func check(t *testing.T, what string, gradient, x []float32, step, tolerance float64, value func() float64) {
	t.Helper()
	for i, at := range x {
		x[i] = at + float32(step)
		up, above := value(), float64(x[i])
		x[i] = at - float32(step)
		down, below := value(), float64(x[i])
		x[i] = at
		want, got := (up-down)/(above-below), float64(gradient[i])
		if !(math.Abs(got-want) <= tolerance*(1+math.Abs(want))) {
			t.Fatalf("%s[%d] = %g, finite differences give %g", what, i, got, want)
		}
	}
}

func dot(a, b []float32) (s float64) {
	for i := range a {
		s += float64(a[i]) * float64(b[i])
	}
	return s
}
