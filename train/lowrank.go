package train

import (
	"math"
	"math/rand/v2"
)

// The arithmetic of PowerSGD that every rank repeats on the same numbers. The conversions between a product and a sum keep
// compilers from fusing them, so that the same bits come out on every kind of machine.

// dead is how short a vector must become, relative to what it was, when its parts along others are taken away, for what
// is left to be rounding.
const dead = 1e-5

// orthonormalise makes the k rows of v, [k, n], orthonormal, by modified Gram-Schmidt, each twice (Giraud et al., "Rounding
// error analysis of the classical Gram-Schmidt orthogonalization process", 2005: twice is enough). Where nothing is left of
// a row it becomes what replace makes of it, which is made orthonormal in its turn, or zero where replace is nil.
func orthonormalise(v []float32, k int, replace func(row []float32)) {
	n := len(v) / k
	for i := range k {
		row := v[i*n : (i+1)*n]
		if orthonormaliseRow(row, v[:i*n]) {
			continue
		}
		if replace == nil {
			clear(row)
			continue
		}
		const attempts = 4 // a random vector lies in the span of k << n others practically never
		for range attempts {
			replace(row)
			if orthonormaliseRow(row, v[:i*n]) {
				break
			}
		}
	}
}

// orthonormaliseRow takes away row's parts along the orthonormal rows before, and makes its length 1. It is false where
// nothing is left. NaN stays NaN, for the training loop to find.
func orthonormaliseRow(row, before []float32) bool {
	was := length(row)
	if was == 0 {
		return false
	}
	for range 2 {
		for b := before; len(b) > 0; b = b[len(row):] {
			other := b[:len(row)]
			along := dot(row, other)
			for j, o := range other {
				row[j] = float32(float64(row[j]) - float64(along*float64(o)))
			}
		}
	}
	is := length(row)
	if is <= dead*was {
		return false
	}
	for j, x := range row {
		row[j] = float32(float64(x) / is)
	}
	return true
}

func length(v []float32) float64 { return math.Sqrt(dot(v, v)) }

func dot(a, b []float32) (sum float64) {
	b = b[:len(a)]
	for i, x := range a {
		sum += float64(float64(x) * float64(b[i]))
	}
	return sum
}

// randomRow fills a row with numbers from -1 to 1 that seed, purpose and step determine.
func randomRow(row []float32, seed, purpose, step uint64) {
	rng := rand.New(rand.NewPCG(seed, purpose<<40^step))
	for i := range row {
		row[i] = float32(rng.Int64N(1<<24)-1<<23) / (1 << 23)
	}
}

// decompress makes grad [rows, cols] the product of the factors p [k, rows] and q [k, cols], grad[i, j] = sum over k of
// p[k, i]*q[k, j], and takes share of it from residual [rows, cols].
func decompress(grad, residual, p, q []float32, k int, share float32) {
	rows, cols := len(p)/k, len(q)/k
	for i := range rows {
		out := grad[i*cols : (i+1)*cols]
		clear(out)
		c := 0
		for ; c+4 <= k; c += 4 {
			add4(out, q[c*cols:], p[c*rows+i], p[(c+1)*rows+i], p[(c+2)*rows+i], p[(c+3)*rows+i])
		}
		for ; c < k; c++ {
			a, x := p[c*rows+i], q[c*cols:(c+1)*cols]
			for j := range out {
				out[j] += float32(a * x[j])
			}
		}
		left := residual[i*cols : (i+1)*cols]
		for j, v := range out {
			left[j] -= float32(share * v)
		}
	}
}

// add4 adds four multiples of consecutive rows of q, each as long as out, to out.
func add4(out, q []float32, a, b, c, d float32) {
	n := len(out)
	x, y, z, w := q[:n], q[n:2*n], q[2*n:3*n], q[3*n:4*n]
	for j := range out {
		out[j] += float32(float32(a*x[j])+float32(b*y[j])) + float32(float32(c*z[j])+float32(d*w[j]))
	}
}
