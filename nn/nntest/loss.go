package nntest

import (
	"math"
	"testing"

	"ringloom/nn/op"
)

// lossFormula compares the loss with its definition in float64, with large logits and equal ones among them.
func lossFormula(t *testing.T, d op.Device) {
	for _, spec := range losses {
		sub(t, specName(spec), func(t *testing.T) {
			b := bench{t, d}
			src := b.source(spec)
			logits, labels := src[0].Host, src[1].Host
			logits[0] += 200                              // exp overflows
			logits[len(logits)-1] = logits[len(logits)-2] // the first of equals counts as the largest
			src[2].Host[0] = 0.125
			loss, correct := 0.0, 0
			var dlogits []float64
			for n := range spec.N {
				row, total, best := logits[n*spec.C:(n+1)*spec.C], 0.0, 0
				for c, v := range row {
					if v > row[best] {
						best = c
					}
					total += math.Exp(float64(v - row[0]))
				}
				if best == int(labels[n]) {
					correct++
				}
				for c, v := range row {
					target := float64(spec.Smoothing) / float64(spec.C)
					if c == int(labels[n]) {
						target += 1 - float64(spec.Smoothing)
					}
					p := math.Exp(float64(v-row[0])) / total
					loss -= 0.125 * target * (float64(v) - float64(row[0]) - math.Log(total))
					dlogits = append(dlogits, 0.125*(p-target))
				}
			}
			got := b.compute(spec, src...)
			nearly(t, "stats", got[0].Host, loss, float64(correct))
			nearly(t, "dlogits", got[1].Host, dlogits...)
		})
	}
}
