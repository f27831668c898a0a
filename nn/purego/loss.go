package purego

import (
	"math"

	"ringloom/nn"
)

// softmaxCrossEntropy sums in float64: the loss is what people compare between runs.
func softmaxCrossEntropy(s nn.SoftmaxCrossEntropyForward) func(dst, src [][]float32) {
	p := make([]float64, s.C)
	return func(dst, src [][]float32) {
		stats, dlogits, logits, labels, scale := dst[0], dst[1], src[0], src[1], float64(src[2][0])
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
			loss += math.Log(total) - float64(row[label]) + float64(row[best])
			for c := range p {
				d := p[c] / total
				if c == label {
					d--
				}
				dlogits[n*s.C+c] = float32(scale * d)
			}
		}
		stats[0], stats[1] = float32(scale*loss), float32(correct)
	}
}
