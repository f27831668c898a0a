package purego

import (
	"math"

	"ringloom/nn/op"
)

// y = 1/(1+exp(-x))
func sigmoidForward[T element](o *operands[T]) func() {
	return func() {
		y, x := o.dst[0], o.src[0]
		for i, v := range x {
			y[i] = T(1 / (1 + math.Exp(-float64(v))))
		}
	}
}

// dx = dy*y*(1-y)
func sigmoidBackward[T element](o *operands[T]) func() {
	return func() {
		dx, dy, y := o.dst[0], o.src[0], o.src[1]
		for i, v := range y {
			dx[i] = dy[i] * v * (1 - v)
		}
	}
}

// relu is max(0, x) in place. What is not a number stays so.
func relu[T element](x []T) {
	for i, v := range x {
		if v <= 0 {
			x[i] = 0
		}
	}
}

// mask clears x where by is not positive.
func mask[T element](x, by []T) {
	for i, v := range by {
		if !(v > 0) {
			x[i] = 0
		}
	}
}

func reluForward[T element](o *operands[T]) func() {
	return func() {
		copy(o.dst[0], o.src[0])
		relu(o.dst[0])
	}
}

func reluBackward[T element](o *operands[T]) func() {
	return func() {
		copy(o.dst[0], o.src[0])
		mask(o.dst[0], o.src[1])
	}
}

func add[T element](s op.Add, o *operands[T]) func() {
	return func() {
		y, b := o.dst[0], o.src[1]
		for i, v := range o.src[0] {
			y[i] = v + b[i]
		}
		if s.ReLU {
			relu(y)
		}
	}
}

func dropout[T element](s op.Dropout, o *operands[T]) func() {
	scale := 1 / (1 - T(s.Rate))
	return func() {
		y, bits := o.dst[0], o.hostSrc[1]
		key := [2]uint32{math.Float32bits(bits[0]), math.Float32bits(bits[1])}
		for i, v := range o.src[0] {
			y[i] = 0
			if op.DropoutKeeps(s.Rate, s.Layer, key, i) {
				y[i] = scale * v
			}
		}
		if s.Mask {
			mask(y, o.mask())
		}
	}
}

func channelCopy[T element](s op.ChannelCopy, o *operands[T]) func() {
	from, to := s.Src.PixelPitch(), s.Dst.PixelPitch()
	return func() {
		for pixel := range s.Src.N * s.Src.H * s.Src.W {
			copy(o.dst[0][pixel*to:][:s.Dst.C], o.src[0][pixel*from:])
		}
	}
}
