package gradsync

import (
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"
)

func randomMatrix(n int, seed uint64) []float32 {
	rng := rand.New(rand.NewPCG(seed, 3))
	v := make([]float32, n)
	for i := range v {
		v[i] = float32(rng.NormFloat64())
	}
	return v
}

// wantOrthonormal checks that the k rows of v have length 1 and right angles, but for those in zeros, which must be 0.
func wantOrthonormal(t *testing.T, v []float32, k int, zeros ...int) {
	t.Helper()
	n := len(v) / k
	for i := range k {
		for j := range i + 1 {
			want := 0.0
			if i == j && !slices.Contains(zeros, i) {
				want = 1
			}
			if got := dot(v[i*n:(i+1)*n], v[j*n:(j+1)*n]); math.Abs(got-want) > 1e-6 {
				t.Errorf("rows %d and %d have the product %v, want %v", i, j, got, want)
			}
		}
	}
}

func TestOrthonormaliseKeepsTheSpan(t *testing.T) {
	for _, k := range []int{1, 2, 4, 7} {
		const n = 300
		v := randomMatrix(k*n, uint64(k))
		if k > 1 { // nearly the same direction twice
			for j := range n {
				v[n+j] = v[j] + 1e-3*v[n+j]
			}
		}
		was := slices.Clone(v)
		orthonormalise(v, k, nil)
		wantOrthonormal(t, v, k)
		for i := range k {
			row, scale := slices.Clone(was[i*n:(i+1)*n]), length(was[i*n:(i+1)*n])
			for j := range k {
				along := dot(row, v[j*n:(j+1)*n])
				for c := range row {
					row[c] -= float32(along) * v[j*n+c]
				}
			}
			if left := length(row) / scale; left > 1e-5 {
				t.Errorf("of %d rows, %v of row %d is outside the span", k, left, i)
			}
		}
	}
}

func TestOrthonormaliseReplacesWhatHasDied(t *testing.T) {
	const k, n = 4, 50
	v := randomMatrix(k*n, 1)
	for j := range n { // row 1 depends on row 0, row 3 is nothing
		v[n+j], v[3*n+j] = -2*v[j], 0
	}
	replaced := slices.Clone(v)
	orthonormalise(v, k, nil)
	wantOrthonormal(t, v, k, 1, 3)
	seed := uint64(0)
	orthonormalise(replaced, k, func(row []float32) { seed++; randomRow(row, 5, seed, 9) })
	wantOrthonormal(t, replaced, k)
	if seed != 2 {
		t.Errorf("%d rows were replaced, not 2", seed)
	}
	if !slices.Equal(v[:n], replaced[:n]) || !slices.Equal(v[2*n:3*n], v[2*n:3*n]) {
		t.Error("the rows that live differ")
	}
}

func TestOrthonormaliseHidesNoNaN(t *testing.T) {
	v := randomMatrix(20, 1)
	v[3] = float32(math.NaN())
	orthonormalise(v, 2, nil)
	for i, x := range v {
		if x == x {
			t.Fatalf("element %d is %v", i, x)
		}
	}
}

func TestDecompressIsTheProduct(t *testing.T) {
	const rows, cols = 7, 13
	for k := 1; k <= 9; k++ {
		p, q := randomMatrix(k*rows, 1), randomMatrix(k*cols, 2)
		grad, residual := randomMatrix(rows*cols, 3), randomMatrix(rows*cols, 4)
		was := slices.Clone(residual)
		decompress(grad, residual, p, q, k, 0.25)
		for i := range rows {
			for j := range cols {
				want := 0.0
				for c := range k {
					want += float64(p[c*rows+i]) * float64(q[c*cols+j])
				}
				at := i*cols + j
				if math.Abs(float64(grad[at])-want) > 1e-5 || math.Abs(float64(was[at])-want/4-float64(residual[at])) > 1e-5 {
					t.Fatalf("rank %d: element %d, %d is %v, the residual %v; want %v and %v", k, i, j, grad[at], residual[at], want, float64(was[at])-want/4)
				}
			}
		}
	}
}

// A matrix that is shared out over processors comes out as by one.
func TestDecompressInPartsIsTheSame(t *testing.T) {
	const rows, cols, k = 1031, 2*leastPart/1031 + 5, 3
	p, q := randomMatrix(k*rows, 1), randomMatrix(k*cols, 2)
	var grads, residuals [2][]float32
	for i := range 2 {
		grads[i], residuals[i] = make([]float32, rows*cols), make([]float32, rows*cols)
	}
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(3))
	decompress(grads[0], residuals[0], p, q, k, 0.5)
	decompressRows(grads[1], residuals[1], p, q, k, 0.5, 0, rows)
	if !slices.Equal(grads[0], grads[1]) || !slices.Equal(residuals[0], residuals[1]) {
		t.Error("the parts differ")
	}
}

func TestRandomRowsDiffer(t *testing.T) {
	rows := map[[4]float32]bool{}
	for _, seed := range []uint64{1, 2} {
		for purpose := range uint64(3) {
			for step := range uint64(300) {
				var row [4]float32
				randomRow(row[:], seed, purpose, step)
				for _, v := range row {
					if v < -1 || v >= 1 {
						t.Fatalf("%v is not from -1 to 1", v)
					}
				}
				rows[row] = true
			}
		}
	}
	if len(rows) != 2*3*300 {
		t.Errorf("%d different rows of %d", len(rows), 2*3*300)
	}
}
