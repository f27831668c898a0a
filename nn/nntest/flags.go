package nntest

import (
	"slices"
	"testing"

	"ringloom/nn/op"
)

// flags compares every operation that is fused by a flag with the operations that it stands for.
func flags(t *testing.T, d op.Device) {
	for _, spec := range layerSpecs(true) {
		composed := unfused(spec)
		if composed == nil {
			continue
		}
		sub(t, specName(spec), func(t *testing.T) {
			b := bench{t, d}
			src := b.source(spec)
			got := b.compute(spec, src...)
			for i, want := range composed(b, src) {
				closeTo(t, spec, i, written(spec, i, got[i].Host), want)
			}
		})
	}
	sub(t, "add, relu", func(t *testing.T) {
		b := bench{t, d}
		spec := op.Add{Len: 100, ReLU: true}
		src := b.source(spec)
		closeTo(t, spec, 0, b.compute(spec, src...)[0].Host, b.rectified(b.compute(op.Add{Len: 100}, src...)[0].Host))
	})
	sub(t, "dropout, mask", func(t *testing.T) {
		b := bench{t, d}
		spec := op.Dropout{Len: 100, Rate: 0.2, Mask: true}
		src := b.source(spec)
		plain := b.compute(op.Dropout{Len: 100, Rate: 0.2}, src[:2]...)[0].Host
		closeTo(t, spec, 0, b.compute(spec, src...)[0].Host, b.gathered(spec, op.Gather{Mask: true}, plain, src))
	})
}

// unfused returns the function that computes the results of a spec with flags by the one without and what the flags
// say, or nil where there is nothing to compare.
func unfused(spec op.Spec) func(b bench, src []op.Buffer) [][]float32 {
	rectify := func(plain op.Spec) func(bench, []op.Buffer) [][]float32 {
		return func(b bench, src []op.Buffer) [][]float32 {
			return [][]float32{b.rectified(written(plain, 0, b.compute(plain, src...)[0].Host))}
		}
	}
	gather := func(plain op.Spec, g op.Gather) func(bench, []op.Buffer) [][]float32 {
		if g == (op.Gather{}) {
			return nil
		}
		return func(b bench, src []op.Buffer) [][]float32 {
			_, lens := op.Lens(plain)
			return [][]float32{b.gathered(spec, g, b.compute(plain, src[:len(lens)]...)[0].Host, src)}
		}
	}
	switch s := spec.(type) {
	case op.ConvForward:
		switch {
		case s.ReLU:
			return rectify(op.ConvForward{Conv: s.Conv})
		case s.NoBias:
			return func(b bench, src []op.Buffer) [][]float32 {
				plain := op.ConvForward{Conv: s.Conv}
				plain.NoBias = false
				y := b.compute(plain, append(slices.Clone(src), b.zeros(s.Dst.C))...)[0].Host
				return [][]float32{written(spec, 0, y)}
			}
		case s.Dst.Pitch != 0:
			return func(b bench, src []op.Buffer) [][]float32 {
				y := b.compute(op.ConvForward{Conv: dense(s.Conv)}, src...)[0]
				return [][]float32{written(spec, 0, b.compute(op.ChannelCopy{Src: dense(s.Conv).Dst, Dst: s.Dst}, y)[0].Host)}
			}
		}
	case op.ConvBackwardData:
		if s.Gather == (op.Gather{}) && s.Dst.Pitch != 0 {
			return func(b bench, src []op.Buffer) [][]float32 {
				dy := b.compute(op.ChannelCopy{Src: s.Dst, Dst: dense(s.Conv).Dst}, src[0])[0]
				return [][]float32{b.compute(op.ConvBackwardData{Conv: dense(s.Conv)}, dy, src[1])[0].Host}
			}
		}
		return gather(op.ConvBackwardData{Conv: s.Conv}, s.Gather)
	case op.ConvBackwardWeights:
		if s.Dst.Pitch == 0 && !s.NoBias {
			return nil
		}
		return func(b bench, src []op.Buffer) [][]float32 {
			plain := op.ConvBackwardWeights{Conv: dense(s.Conv)}
			plain.NoBias = false
			dy := b.compute(op.ChannelCopy{Src: s.Dst, Dst: plain.Dst}, src[0])[0]
			all := b.compute(plain, dy, src[1])
			if s.NoBias {
				return [][]float32{all[0].Host}
			}
			return [][]float32{all[0].Host, all[1].Host}
		}
	case op.LinearForward:
		if s.ReLU {
			return rectify(op.LinearForward{Linear: s.Linear})
		}
	case op.LinearBackwardData:
		return gather(op.LinearBackwardData{Linear: s.Linear}, s.Gather)
	case op.AvgPoolBackward:
		return gather(op.AvgPoolBackward{Pool: s.Pool}, s.Gather)
	case op.MaxPoolForward:
		if s.Inference {
			return func(b bench, src []op.Buffer) [][]float32 {
				return [][]float32{b.compute(op.MaxPoolForward{Pool: s.Pool}, src...)[0].Host}
			}
		}
		return naiveMaxPool(s.Pool)
	case op.MaxPoolBackward:
		return gather(op.MaxPoolBackward{Pool: s.Pool}, s.Gather)
	case op.BatchNormForward:
		if s.ReLU {
			return func(b bench, src []op.Buffer) [][]float32 {
				all := b.compute(op.BatchNormForward{Image: s.Image, Count: s.Count}, src...)
				return [][]float32{b.rectified(all[0].Host), all[1].Host}
			}
		}
	case op.BatchNormInference:
		if s.ReLU {
			return rectify(op.BatchNormInference{Image: s.Image})
		}
	case op.BatchNormBackward:
		return gather(op.BatchNormBackward{Image: s.Image}, s.Gather)
	}
	return nil
}

// dense is the convolution without a pitch.
func dense(c op.Conv) op.Conv {
	c.Dst.Pitch = 0
	return c
}

func (b bench) rectified(x []float32) []float32 {
	b.t.Helper()
	return b.compute(op.ReLUForward{Len: len(x)}, b.copyOf(x))[0].Host
}

// gathered is what becomes of a plain gradient: it is added to what lies in dst[0], which is the same for every run of
// spec, and masked by the last of src.
func (b bench) gathered(spec op.Spec, g op.Gather, plain []float32, src []op.Buffer) []float32 {
	b.t.Helper()
	y := slices.Clone(plain)
	before := b.results(spec)[0].Host
	for i := range y {
		if g.Accumulate {
			y[i] += before[i]
		}
		if g.Mask && !(src[len(src)-1].Host[i] > 0) {
			y[i] = 0
		}
	}
	return y
}

// naiveMaxPool compares with the definition; its second result is compared as bits of bytes elsewhere.
func naiveMaxPool(p op.Pool) func(b bench, src []op.Buffer) [][]float32 {
	return func(b bench, src []op.Buffer) [][]float32 {
		where := bytesOf(b.naiveWhere(p, src[0]).Host)
		y := make([]float32, p.Dst.Len())
		for j := range y {
			at, _ := tapAt(asConv(p), j/p.Dst.C, int(where[j]))
			y[j] = src[0].Host[at+j%p.Dst.C]
		}
		return [][]float32{y}
	}
}
