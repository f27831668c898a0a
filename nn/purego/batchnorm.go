package purego

import (
	"math"

	"ringloom/nn/op"
)

// Batch norm is computed in float64: means cancel.

// inverseDeviation is 1/sqrt(variance+eps).
func inverseDeviation[T element](variance T) float64 {
	return 1 / math.Sqrt(float64(variance)+op.BatchNormEpsilon)
}

func batchNormMoments[T element](s op.BatchNormMoments, o *operands[T]) func() {
	count := float64(s.N * s.H * s.W)
	mean, variance := make([]float64, s.C), make([]float64, s.C)
	return func() {
		moments, x := o.dst[0], o.src[0]
		columnSums(mean, x, s.C)
		for c := range mean {
			mean[c] /= count
		}
		clear(variance)
		for at := 0; at < len(x); at += s.C {
			for c, v := range x[at : at+s.C] {
				d := float64(v) - mean[c]
				variance[c] += d * d
			}
		}
		for c := range mean {
			moments[c], moments[s.C+c] = T(mean[c]), T(variance[c]/count)
		}
	}
}

func batchNormForward[T element](s op.BatchNormForward, o *operands[T]) func() {
	normalize := normalizer(s.Image, s.ReLU, o)
	unbiased := 1.0
	if s.Count > 1 {
		unbiased = float64(s.Count) / float64(s.Count-1)
	}
	return func() {
		normalize()
		running, moments := o.dst[1], o.src[3]
		for i, m := range moments {
			batch := float64(m)
			if i >= s.C {
				batch *= unbiased
			}
			running[i] += T(op.BatchNormMomentum * (batch - float64(running[i])))
		}
	}
}

func batchNormInference[T element](s op.BatchNormInference, o *operands[T]) func() {
	return normalizer(s.Image, s.ReLU, o)
}

// y = gamma (x-mean)/sqrt(variance+eps) + beta, with src = {x, gamma, beta, moments}
func normalizer[T element](shape op.Image, withReLU bool, o *operands[T]) func() {
	factor := make([]float64, shape.C)
	return func() {
		y, x, gamma, beta, moments := o.dst[0], o.src[0], o.src[1], o.src[2], o.src[3]
		for c := range factor {
			factor[c] = float64(gamma[c]) * inverseDeviation(moments[shape.C+c])
		}
		for at := 0; at < len(x); at += shape.C {
			for c, v := range x[at : at+shape.C] {
				y[at+c] = T(factor[c]*(float64(v)-float64(moments[c])) + float64(beta[c]))
			}
		}
		if withReLU {
			relu(y)
		}
	}
}

func batchNormBackwardSums[T element](s op.BatchNormBackwardSums, o *operands[T]) func() {
	count := float64(s.N * s.H * s.W)
	dgamma, dbeta := make([]float64, s.C), make([]float64, s.C)
	return func() {
		dy, x, moments := o.src[0], o.src[1], o.src[2]
		columnSums(dbeta, dy, s.C)
		clear(dgamma)
		for at := 0; at < len(x); at += s.C {
			for c, v := range x[at : at+s.C] {
				dgamma[c] += float64(dy[at+c]) * (float64(v) - float64(moments[c]))
			}
		}
		means := o.dst[2]
		for c := range dgamma {
			dgamma[c] *= inverseDeviation(moments[s.C+c])
			o.dst[0][c], o.dst[1][c] = T(dgamma[c]), T(dbeta[c])
			means[c], means[s.C+c] = T(dbeta[c]/count), T(dgamma[c]/count)
		}
	}
}

func batchNormBackward[T element](s op.BatchNormBackward, o *operands[T]) func() {
	inverse := make([]float64, s.C)
	return func() {
		dx, dy, x, gamma, moments, means := o.dst[0], o.src[0], o.src[1], o.src[2], o.src[3], o.src[4]
		for c := range inverse {
			inverse[c] = inverseDeviation(moments[s.C+c])
		}
		for at := 0; at < len(x); at += s.C {
			for c, v := range x[at : at+s.C] {
				u := (float64(v) - float64(moments[c])) * inverse[c]
				d := float64(gamma[c]) * inverse[c] * (float64(dy[at+c]) - float64(means[c]) - u*float64(means[s.C+c]))
				if s.Accumulate {
					d += float64(dx[at+c])
				}
				dx[at+c] = T(d)
			}
		}
		if s.Mask {
			mask(dx, o.mask())
		}
	}
}
