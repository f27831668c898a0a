package nntest

import (
	"slices"
	"testing"

	"ringloom/nn"
)

// flags compares every operation that is fused by a flag with the operations that it stands for.
func flags(t *testing.T, d nn.Device) {
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
		spec := nn.Add{Len: 100, ReLU: true}
		src := b.source(spec)
		closeTo(t, spec, 0, b.compute(spec, src...)[0].Host, b.rectified(b.compute(nn.Add{Len: 100}, src...)[0].Host))
	})
	sub(t, "dropout, mask", func(t *testing.T) {
		b := bench{t, d}
		spec := nn.Dropout{Len: 100, Rate: 0.2, Mask: true}
		src := b.source(spec)
		plain := b.compute(nn.Dropout{Len: 100, Rate: 0.2}, src[:2]...)[0].Host
		closeTo(t, spec, 0, b.compute(spec, src...)[0].Host, b.gathered(spec, nn.Gather{Mask: true}, plain, src))
	})
}

// unfused returns the function that computes the results of a spec with flags by the one without and what the flags
// say, or nil where there is nothing to compare.
func unfused(spec nn.Spec) func(b bench, src []nn.Buffer) [][]float32 {
	rectify := func(plain nn.Spec) func(bench, []nn.Buffer) [][]float32 {
		return func(b bench, src []nn.Buffer) [][]float32 {
			return [][]float32{b.rectified(written(plain, 0, b.compute(plain, src...)[0].Host))}
		}
	}
	gather := func(plain nn.Spec, g nn.Gather) func(bench, []nn.Buffer) [][]float32 {
		if g == (nn.Gather{}) {
			return nil
		}
		return func(b bench, src []nn.Buffer) [][]float32 {
			_, lens := nn.Operands(plain)
			return [][]float32{b.gathered(spec, g, b.compute(plain, src[:len(lens)]...)[0].Host, src)}
		}
	}
	switch s := spec.(type) {
	case nn.ConvForward:
		switch {
		case s.ReLU:
			return rectify(nn.ConvForward{Conv: s.Conv})
		case s.NoBias:
			return func(b bench, src []nn.Buffer) [][]float32 {
				plain := nn.ConvForward{Conv: s.Conv}
				plain.NoBias = false
				y := b.compute(plain, append(slices.Clone(src), b.zeros(s.Dst.C))...)[0].Host
				return [][]float32{written(spec, 0, y)}
			}
		case s.Dst.Pitch != 0:
			return func(b bench, src []nn.Buffer) [][]float32 {
				y := b.compute(nn.ConvForward{Conv: dense(s.Conv)}, src...)[0]
				return [][]float32{written(spec, 0, b.compute(nn.ChannelCopy{Src: dense(s.Conv).Dst, Dst: s.Dst}, y)[0].Host)}
			}
		}
	case nn.ConvBackwardData:
		if s.Gather == (nn.Gather{}) && s.Dst.Pitch != 0 {
			return func(b bench, src []nn.Buffer) [][]float32 {
				dy := b.compute(nn.ChannelCopy{Src: s.Dst, Dst: dense(s.Conv).Dst}, src[0])[0]
				return [][]float32{b.compute(nn.ConvBackwardData{Conv: dense(s.Conv)}, dy, src[1])[0].Host}
			}
		}
		return gather(nn.ConvBackwardData{Conv: s.Conv}, s.Gather)
	case nn.ConvBackwardWeights:
		if s.Dst.Pitch == 0 && !s.NoBias {
			return nil
		}
		return func(b bench, src []nn.Buffer) [][]float32 {
			plain := nn.ConvBackwardWeights{Conv: dense(s.Conv)}
			plain.NoBias = false
			dy := b.compute(nn.ChannelCopy{Src: s.Dst, Dst: plain.Dst}, src[0])[0]
			all := b.compute(plain, dy, src[1])
			if s.NoBias {
				return [][]float32{all[0].Host}
			}
			return [][]float32{all[0].Host, all[1].Host}
		}
	case nn.LinearForward:
		if s.ReLU {
			return rectify(nn.LinearForward{Linear: s.Linear})
		}
	case nn.LinearBackwardData:
		return gather(nn.LinearBackwardData{Linear: s.Linear}, s.Gather)
	case nn.AvgPoolBackward:
		return gather(nn.AvgPoolBackward{Pool: s.Pool}, s.Gather)
	case nn.MaxPoolForward:
		if s.Inference {
			return func(b bench, src []nn.Buffer) [][]float32 {
				return [][]float32{b.compute(nn.MaxPoolForward{Pool: s.Pool}, src...)[0].Host}
			}
		}
		return naiveMaxPool(s.Pool)
	case nn.MaxPoolBackward:
		return gather(nn.MaxPoolBackward{Pool: s.Pool}, s.Gather)
	case nn.BatchNormForward:
		if s.ReLU {
			return func(b bench, src []nn.Buffer) [][]float32 {
				all := b.compute(nn.BatchNormForward{Image: s.Image, Count: s.Count}, src...)
				return [][]float32{b.rectified(all[0].Host), all[1].Host}
			}
		}
	case nn.BatchNormInference:
		if s.ReLU {
			return rectify(nn.BatchNormInference{Image: s.Image})
		}
	case nn.BatchNormBackward:
		return gather(nn.BatchNormBackward{Image: s.Image}, s.Gather)
	}
	return nil
}

// dense is the convolution without a pitch.
func dense(c nn.Conv) nn.Conv {
	c.Dst.Pitch = 0
	return c
}

func (b bench) rectified(x []float32) []float32 {
	b.t.Helper()
	return b.compute(nn.ReLUForward{Len: len(x)}, b.copyOf(x))[0].Host
}

// gathered is what becomes of a plain gradient: it is added to what lies in dst[0], which is the same for every run of
// spec, and masked by the last of src.
func (b bench) gathered(spec nn.Spec, g nn.Gather, plain []float32, src []nn.Buffer) []float32 {
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
func naiveMaxPool(p nn.Pool) func(b bench, src []nn.Buffer) [][]float32 {
	return func(b bench, src []nn.Buffer) [][]float32 {
		where := bytesOf(b.naiveWhere(p, src[0]).Host)
		y := make([]float32, p.Dst.Len())
		for j := range y {
			at, _ := tapAt(asConv(p), j/p.Dst.C, int(where[j]))
			y[j] = src[0].Host[at+j%p.Dst.C]
		}
		return [][]float32{y}
	}
}
