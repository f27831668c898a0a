//go:build gpu && cgo

package libs

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
)

// at is element (i, k) of what the product sees.
func (m Matrix) at(i, k int) int {
	if m.Transposed {
		i, k = k, i
	}
	return i*m.Stride + k
}

// stored describes a matrix of rows by cols (as the product sees it) with a gap between its rows, or without.
func stored(rows, cols, gap int, transposed bool, typ Type) Matrix {
	m := Matrix{Type: typ, Rows: rows, Cols: cols, Transposed: transposed}
	if transposed {
		m.Rows, m.Cols = cols, rows
	}
	m.Stride = m.Cols + gap
	return m
}

// All transpositions, with and without gaps, of all types, with and without the old content, against a naive product.
// Gaps of the inputs are NaN, so reading them shows; gaps of the output must stay.
func TestGemm(t *testing.T) {
	d := openDevice(t)
	blas, err := OpenBLAS(d.Stream())
	if err != nil {
		t.Fatal(err)
	}
	defer blas.Close()
	const workspace = 4 << 20
	if err := blas.SetWorkspace(d.Alloc(workspace), workspace); err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(1, 2))
	fill := func(m Matrix) []float32 {
		v := nans(m.Rows * m.Stride)
		for i := 0; i < m.Rows; i++ {
			copy(v[i*m.Stride:], eighths(rng, m.Cols))
		}
		return v
	}
	for bits := range 8 {
		for _, typ := range []struct {
			in, out Type
			compute Compute
		}{{F32, F32, Strict}, {F32, F32, TF32}, {BF16, BF16, Strict}, {BF16, F32, Strict}} {
			for _, beta := range []float32{0, 0.5} {
				for _, gap := range []int{0, 8} {
					const m, n, k = 24, 40, 16 // multiples of 8, which every tensor core kernel takes
					a := stored(m, k, gap, bits&1 != 0, typ.in)
					b := stored(k, n, gap, bits&2 != 0, typ.in)
					c := stored(m, n, gap, bits&4 != 0, typ.out)
					av, bv, cv := fill(a), fill(b), fill(c)
					if beta == 0 {
						cv = nans(len(cv))
					}
					a.Ptr, b.Ptr, c.Ptr = d.Put(av, typ.in == BF16), d.Put(bv, typ.in == BF16), d.Put(cv, typ.out == BF16)
					want := append([]float32(nil), cv...)
					for i := range m {
						for j := range n {
							var sum float64
							for l := range k {
								sum += float64(av[a.at(i, l)]) * float64(bv[b.at(l, j)])
							}
							sum *= 2
							if beta != 0 {
								sum += float64(beta) * float64(cv[c.at(i, j)])
							}
							want[c.at(i, j)] = float32(sum)
						}
					}
					if err := blas.Gemm(c, a, b, 2, beta, typ.compute); err != nil {
						t.Fatal(err)
					}
					what := fmt.Sprintf("a %v b %v c %v %v beta %v gap %d", a.Transposed, b.Transposed, c.Transposed, typ, beta, gap)
					compare(t, what, d.Get(c.Ptr, len(want), typ.out == BF16), want, typ.out == BF16)
				}
			}
		}
	}
}

func TestGemmAllocates(t *testing.T) {
	d := openDevice(t)
	blas, err := OpenBLAS(d.Stream())
	if err != nil {
		t.Fatal(err)
	}
	defer blas.Close()
	m := stored(8, 8, 0, false, F32)
	m.Ptr = d.Put(make([]float32, 64), false)
	c := m
	c.Ptr = d.Alloc(4 * 64)
	if n := testing.AllocsPerRun(20, func() { err = errors.Join(err, blas.Gemm(c, m, m, 1, 0, TF32)) }); n != 0 || err != nil {
		t.Errorf("%v allocations, %v", n, err)
	}
}

func TestGemmMismatch(t *testing.T) {
	blas := &BLAS{} // never reached
	a, b, c := stored(2, 3, 0, false, F32), stored(3, 4, 0, true, F32), stored(2, 4, 0, false, F32)
	for what, change := range map[string]func(a, b, c *Matrix){
		"inner sizes":  func(a, _, _ *Matrix) { a.Transposed = true },
		"outer sizes":  func(_, _, c *Matrix) { c.Cols = 3 },
		"short stride": func(a, _, _ *Matrix) { a.Stride = 2 },
		"mixed types":  func(_, b, _ *Matrix) { b.Type = BF16 },
		"output type":  func(_, _, c *Matrix) { c.Type = BF16 },
		"huge":         func(_, _, c *Matrix) { c.Stride = 1 << 31 },
	} {
		a, b, c := a, b, c
		change(&a, &b, &c)
		if err := blas.Gemm(c, a, b, 1, 0, Strict); err == nil {
			t.Errorf("%s: no error", what)
		}
	}
	empty := stored(0, 4, 0, false, F32)
	if err := blas.Gemm(empty, stored(0, 3, 0, false, F32), b, 1, 0, Strict); err != nil {
		t.Errorf("an empty product: %v", err)
	}
}
