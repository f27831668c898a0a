package gradsync

import (
	"math"
	"math/rand/v2"
	"runtime"
	"sync"
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
// p[k, i]*q[k, j], and takes share of it from residual [rows, cols]. Large matrices are shared out over the processors.
func decompress(grad, residual, p, q []float32, k int, share float32) {
	rows := len(p) / k
	parts := min(runtime.GOMAXPROCS(0), runtime.NumCPU(), len(grad)/leastPart)
	if parts < 2 {
		decompressRows(grad, residual, p, q, k, share, 0, rows)
		return
	}
	var wg sync.WaitGroup
	for i := 1; i < parts; i++ {
		wg.Go(func() { decompressRows(grad, residual, p, q, k, share, rows*i/parts, rows*(i+1)/parts) })
	}
	decompressRows(grad, residual, p, q, k, share, 0, rows/parts)
	wg.Wait()
}

// leastPart is the fewest elements of a matrix that are worth a goroutine of their own.
const leastPart = 1 << 20

// decompressRows does the rows from first up to last. It takes four rows of q at a time, for which there are registers;
// where fewer are left, some are added 0 times.
func decompressRows(grad, residual, p, q []float32, k int, share float32, first, last int) {
	rows, cols := len(p)/k, len(q)/k
	for i := first; i < last; i++ {
		out, left := grad[i*cols:(i+1)*cols], residual[i*cols:(i+1)*cols]
		for c := 0; c < k; c += 4 {
			var a [4]float32
			var x [4][]float32
			for d := range 4 {
				at := min(c+d, k-1)
				x[d] = q[at*cols : (at+1)*cols]
				if c+d < k {
					a[d] = p[at*rows+i]
				}
			}
			switch {
			case c == 0 && k <= 4:
				setAndTake(out, left, x[0], x[1], x[2], x[3], a[0], a[1], a[2], a[3], share)
			case c == 0:
				set(out, x[0], x[1], x[2], x[3], a[0], a[1], a[2], a[3])
			default:
				add(out, x[0], x[1], x[2], x[3], a[0], a[1], a[2], a[3])
			}
		}
		if k > 4 {
			for j, v := range out {
				left[j] -= float32(share * v)
			}
		}
	}
}

// setAndTake makes out the sum of four multiples of vectors of its length, and takes share of it from left.
func setAndTake(out, left, x, y, z, w []float32, a, b, c, d, share float32) {
	n := len(out)
	left, x, y, z, w = left[:n], x[:n], y[:n], z[:n], w[:n]
	for j := range out {
		v := float32(float32(a*x[j])+float32(b*y[j])) + float32(float32(c*z[j])+float32(d*w[j]))
		out[j] = v
		left[j] -= float32(share * v)
	}
}

func set(out, x, y, z, w []float32, a, b, c, d float32) {
	n := len(out)
	x, y, z, w = x[:n], y[:n], z[:n], w[:n]
	for j := range out {
		out[j] = float32(float32(a*x[j])+float32(b*y[j])) + float32(float32(c*z[j])+float32(d*w[j]))
	}
}

func add(out, x, y, z, w []float32, a, b, c, d float32) {
	n := len(out)
	x, y, z, w = x[:n], y[:n], z[:n], w[:n]
	for j := range out {
		out[j] += float32(float32(a*x[j])+float32(b*y[j])) + float32(float32(c*z[j])+float32(d*w[j]))
	}
}
