package nntest

import (
	"math"
	"testing"

	"ringloom/nn/op"
)

// batchNormExample is small enough to compute by hand. Channel 0 has the values 1, 3, 5, 7 (mean 4, variance 5,
// unbiased 20/3), channel 1 is 2 everywhere (variance 0).
func batchNormExample(t *testing.T, d op.Device) {
	b := bench{t, d}
	shape := op.Image{N: 2, H: 1, W: 2, C: 2}
	x := b.copyOf([]float32{1, 2, 3, 2, 5, 2, 7, 2})
	gamma, beta := b.copyOf([]float32{2, 3}), b.copyOf([]float32{10, -1})

	moments := b.compute(op.BatchNormMoments{Image: shape}, x)[0]
	nearly(t, "moments", moments.Host, 4, 2, 5, 0)

	u := func(v float64) float64 { return (v - 4) / math.Sqrt(5+1e-5) }
	for _, c := range []struct {
		count    int
		unbiased float64
	}{{4, 20.0 / 3}, {8, 40.0 / 7}} {
		spec := op.BatchNormForward{Image: shape, Count: c.count}
		dst := []op.Buffer{b.empty(8), b.copyOf([]float32{1, 0, 1, 1})}
		b.run(b.compile(spec), dst, []op.Buffer{x, gamma, beta, moments})
		nearly(t, "y", dst[0].Host, 10+2*u(1), -1, 10+2*u(3), -1, 10+2*u(5), -1, 10+2*u(7), -1)
		nearly(t, "running moments", dst[1].Host, 0.9+0.4, 0.2, 0.9+0.1*c.unbiased, 0.9)
	}

	running := b.copyOf([]float32{3, 1, 4, 0.25})
	y := b.compute(op.BatchNormInference{Image: shape}, x, gamma, beta, running)[0]
	r0, r1 := 1/math.Sqrt(4+1e-5), 1/math.Sqrt(0.25+1e-5)
	second := -1 + 3*r1
	nearly(t, "y of inference", y.Host, 10-4*r0, second, 10, second, 10+4*r0, second, 10+8*r0, second)

	// dy of channel 0 is 1, 0, 0, 0: dbeta = 1, dgamma = u(1).
	dy := b.copyOf([]float32{1, 1, 0, 2, 0, 3, 0, 4})
	sums := b.compute(op.BatchNormBackwardSums{Image: shape}, dy, x, moments)
	nearly(t, "dgamma", sums[0].Host, u(1), 0)
	nearly(t, "dbeta", sums[1].Host, 1, 10)
	nearly(t, "means", sums[2].Host, 0.25, 2.5, u(1)/4, 0)
	dx := b.compute(op.BatchNormBackward{Image: shape}, dy, x, gamma, moments, sums[2])[0]
	f0, f1 := 2/math.Sqrt(5+1e-5), 3/math.Sqrt(1e-5)
	nearly(t, "dx", dx.Host,
		f0*(1-0.25-u(1)*u(1)/4), -1.5*f1, f0*(-0.25-u(3)*u(1)/4), -0.5*f1,
		f0*(-0.25-u(5)*u(1)/4), 0.5*f1, f0*(-0.25-u(7)*u(1)/4), 1.5*f1)
}

// nearly compares with numbers that are computed in float64.
func nearly(t *testing.T, what string, got []float32, want ...float64) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s has %d elements, want %d", what, len(got), len(want))
	}
	for i, w := range want {
		if !(math.Abs(float64(got[i])-w) <= 1e-5*(1+math.Abs(w))) {
			t.Errorf("%s[%d] = %.8g, want %.8g", what, i, got[i], w)
		}
	}
}
