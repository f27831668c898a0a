package scaling

import "math"

// nonNegative finds p, none of it below 0, that makes every row's dot product with p as near 1 as can be in the sum of
// squares. With three unknowns it can afford to try each set of those that are not 0: the best is one of them.
func nonNegative(rows [][3]float64) [3]float64 {
	// Columns differ by ten orders of magnitude, so they are scaled to norm 1 first.
	var norm [3]float64
	for _, r := range rows {
		for j, x := range r {
			norm[j] += x * x
		}
	}
	for j := range norm {
		norm[j] = math.Sqrt(norm[j])
	}
	var best [3]float64
	least := math.Inf(1)
	for set := 1; set < 8; set++ {
		p, ok := solve(rows, norm, set)
		if !ok {
			continue
		}
		squares := 0.0
		for _, r := range rows {
			e := r[0]*p[0] + r[1]*p[1] + r[2]*p[2] - 1
			squares += e * e
		}
		if squares < least {
			least, best = squares, p
		}
	}
	return best
}

// solve is least squares over the columns in set, by the normal equations. It is false where they do not tell the
// columns apart, or where an unknown comes out below 0.
func solve(rows [][3]float64, norm [3]float64, set int) (p [3]float64, ok bool) {
	var columns []int
	for j := range norm {
		if set>>j&1 == 1 {
			if norm[j] == 0 {
				return p, false
			}
			columns = append(columns, j)
		}
	}
	n := len(columns)
	var a [3][4]float64
	for _, r := range rows {
		for i, ci := range columns {
			for j, cj := range columns {
				a[i][j] += r[ci] / norm[ci] * r[cj] / norm[cj]
			}
			a[i][n] += r[ci] / norm[ci]
		}
	}
	// The matrix is positive definite with a unit diagonal, so elimination needs no pivoting; a pivot near 0 is a
	// column that the ones before it make up.
	for i := range n {
		if a[i][i] < 1e-9 {
			return p, false
		}
		for k := i + 1; k < n; k++ {
			f := a[k][i] / a[i][i]
			for j := i; j <= n; j++ {
				a[k][j] -= f * a[i][j]
			}
		}
	}
	for i := n - 1; i >= 0; i-- {
		v := a[i][n]
		for j := i + 1; j < n; j++ {
			v -= a[i][j] * p[columns[j]] * norm[columns[j]]
		}
		v /= a[i][i]
		if v < 0 {
			return p, false
		}
		p[columns[i]] = v / norm[columns[i]]
	}
	return p, true
}
