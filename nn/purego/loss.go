package purego

import (
	"math"

	"ringloom/nn/op"
)

// softmaxCrossEntropy sums in float64: the loss is what people compare between runs.
func softmaxCrossEntropy[T element](s op.SoftmaxCrossEntropyForward, o *operands[T]) func() {
	p := make([]float64, s.C)
	other := float64(s.Smoothing) / float64(s.C) // target of a class that is not the label
	return func() {
		stats, dlogits, logits, labels, scale := o.dst[0], o.dst[1], o.src[0], o.src[1], float64(o.src[2][0])
		loss, correct := 0.0, 0
		for n := range s.N {
			row, label := logits[n*s.C:(n+1)*s.C], int(labels[n])
			best := 0
			for c, v := range row {
				if v > row[best] {
					best = c
				}
			}
			if best == label {
				correct++
			}
			total := 0.0
			for c, v := range row {
				p[c] = math.Exp(float64(v) - float64(row[best]))
				total += p[c]
			}
			for c, v := range row {
				target := other
				if c == label {
					target += 1 - float64(s.Smoothing)
				}
				loss += target * (math.Log(total) - float64(v) + float64(row[best]))
				dlogits[n*s.C+c] = T(scale * (p[c]/total - target))
			}
		}
		stats[0], stats[1] = T(scale*loss), T(correct)
	}
}
