package purego

import "math"

// y = 1/(1+exp(-x))
func sigmoidForward(dst, src [][]float32) {
	y, x := dst[0], src[0]
	for i, v := range x {
		y[i] = float32(1 / (1 + math.Exp(-float64(v))))
	}
}

// dx = dy*y*(1-y)
func sigmoidBackward(dst, src [][]float32) {
	dx, dy, y := dst[0], src[0], src[1]
	for i, v := range y {
		dx[i] = dy[i] * v * (1 - v)
	}
}
