//go:build gpu && cgo

package kernels_test

import (
	"math"
	"ringloom/nn/op"
	"slices"
	"testing"
)

func TestBatchNorm(t *testing.T) {
	eachSum(t, func(s sums) {
		n := s.pixels * s.c
		mean, width := 100.0, 0.1 // a mean of 1700 deviations: of squares of floats no digit of the variance would be left
		if s.typ == bf16 {
			mean, width = 1, 1
		}
		b := batchNorm{
			sums: s, x: s.uniformOf(s.typ, n, s.shift, mean, width), dy: s.symmetric(s.typ, n, 0), moments: s.empty(f32, 2*s.c, 0),
			parts: s.empty(f32, s.grid.y*2*s.c, 0), gamma: s.uniformOf(f32, s.c, 0, 1, 0.5), beta: s.symmetric(f32, s.c, 0),
		}
		b.checkMoments()
		b.checkForward()
		b.checkBackward(b.checkSums())
	})
}

type batchNorm struct {
	sums
	x, dy       *operand // [pixels, c]
	moments     *operand // mean and variance, [2, c]: as the kernel computed them, once checkMoments has read them
	parts       *operand // partial sums
	gamma, beta *operand
}

// flat is the grid of kernels that sum nothing.
func (b *batchNorm) flat() shape { return shape{b.grid.x, 1, b.grid.threads} }

func (b *batchNorm) inverse(c int) float64 {
	return 1 / math.Sqrt(b.moments.v[b.c+c]+op.BatchNormEpsilon)
}

// unit is element i of x, normalised.
func (b *batchNorm) unit(i int) float64 { return (b.x.v[i] - b.moments.v[i%b.c]) * b.inverse(i%b.c) }

func (b *batchNorm) checkMoments() {
	want := make([]float64, 2*b.c)
	for i, v := range b.x.v {
		want[i%b.c] += v / float64(b.pixels)
	}
	for i, v := range b.x.v {
		want[b.c+i%b.c] += math.Pow(v-want[i%b.c], 2) / float64(b.pixels)
	}
	b.launch(b.grid, "bn_moments_"+b.typ.String(), b.parts, b.x, b.pixels, b.c)
	b.launch(b.finish, "bn_moments_finish", b.moments, b.parts, b.grid.y, b.pixels, b.c)
	b.parts.read("parts")
	b.compareWithin("bn_moments", b.moments, want, 1e-4, 0)
}

func (b *batchNorm) checkForward() {
	const count = 12 // samples of the variance: n/(n-1) makes it unbiased
	y, running := b.empty(b.typ, len(b.x.v), 0), b.uniformOf(f32, 2*b.c, 0, 2, 1)
	want, ran := make([]float64, len(b.x.v)), slices.Clone(running.v)
	for _, rectified := range []bool{false, true} {
		for i := range want {
			want[i] = b.gamma.v[i%b.c]*b.unit(i) + b.beta.v[i%b.c]
			if rectified {
				want[i] = relu(want[i])
			}
		}
		for i := range ran {
			moment := b.moments.v[i]
			if i >= b.c {
				moment *= count / (count - 1.0)
			}
			ran[i] += 0.1 * (moment - ran[i])
		}
		b.launch(b.grid, "bn_inference_"+b.typ.String(), y, b.x, b.gamma, b.beta, b.moments, b.pixels, b.c, rectified)
		b.compareWithin("bn_inference", y, want, 1e-5, 1)
		y = b.empty(b.typ, len(b.x.v), 0)
		b.launch(b.flat(), "bn_forward_"+b.typ.String(), y, running, b.x, b.gamma, b.beta, b.moments, b.pixels, b.c, count, rectified)
		b.compareWithin("bn_forward", y, want, 1e-5, 1)
		b.compare("running", running, ran)
	}
}

// checkSums gives the means of dy and of dy times the normalised x, [2, c].
func (b *batchNorm) checkSums() *operand {
	gamma, beta, both := make([]float64, b.c), make([]float64, b.c), make([]float64, 2*b.c)
	for i, v := range b.dy.v {
		gamma[i%b.c] += v * b.unit(i)
		beta[i%b.c] += v
	}
	for c := range b.c {
		both[c], both[b.c+c] = beta[c]/float64(b.pixels), gamma[c]/float64(b.pixels)
	}
	dgamma, dbeta, means := b.empty(f32, b.c, 0), b.empty(f32, b.c, 0), b.empty(f32, 2*b.c, 0)
	b.launch(b.grid, "bn_sums_"+b.typ.String(), b.parts, b.dy, b.x, b.moments, b.pixels, b.c)
	b.launch(b.finish, "bn_sums_finish", dgamma, dbeta, means, b.parts, b.grid.y, b.pixels, b.c)
	b.parts.read("parts")
	usual := math.Sqrt(float64(b.pixels))
	b.compareWithin("dgamma", dgamma, gamma, 3e-6, usual)
	b.compareWithin("dbeta", dbeta, beta, 3e-6, usual)
	b.compareWithin("means", means, both, 3e-6, 1)
	return means
}

func (b *batchNorm) checkBackward(means *operand) {
	want := make([]float64, len(b.x.v))
	for i, v := range b.dy.v {
		c := i % b.c
		want[i] = b.gamma.v[c] * b.inverse(c) * (v - means.v[c] - b.unit(i)*means.v[b.c+c])
	}
	name := "bn_backward_" + b.typ.String()
	b.gathers("bn_backward", b.typ, want, b.shift, 100, func(dx *operand, mask any, accumulate bool) {
		b.launch(b.flat(), name, dx, b.dy, b.x, b.gamma, b.moments, means, mask, accumulate, b.pixels, b.c)
	})
	if b.pixels == 1 {
		return
	}
	inPlace := b.dy.copy()
	b.launch(b.flat(), name, inPlace, inPlace, b.x, b.gamma, b.moments, means, nil, false, b.pixels, b.c)
	b.compareWithin("bn_backward in place", inPlace, want, usualTolerance, 100)
}
