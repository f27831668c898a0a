//go:build gpu && cgo

package kernels_test

import (
	"math"
	"slices"
	"testing"
)

func TestSoftmaxLoss(t *testing.T) {
	shapes := []struct {
		n, c      int
		smoothing float64
	}{{1, 2, 0}, {3, 5, 0}, {7, 10, 0}, {3, 5, 0.1}, {600, 10, 0.1}, {5, 33, 0.2}, {9, 1000, 0}, {20, 32, 0.5}}
	eachType(t, func(m *machine, typ kind) {
		for _, s := range shapes {
			for _, threads := range []int{32, 96, 512} {
				m.begin("%d samples, %d classes, smoothing %g, %d threads", s.n, s.c, s.smoothing, threads)
				checkLoss(m, typ, threads, s.n, s.c, s.smoothing)
			}
		}
	})
}

func checkLoss(m *machine, typ kind, threads, n, c int, smoothing float64) {
	const scale = 0.125
	values, labels := m.uniform(n*c, 0, 4), make([]float64, n)
	values[0] = 200
	values[n*c-1] = values[n*c-2] // equal
	logits, dlogits, stats := m.of(typ, 0, values), m.empty(typ, n*c, 0), m.empty(f32, 2, 0)
	var loss, correct float64
	want := make([]float64, n*c)
	for i := range n {
		row := logits.v[i*c : (i+1)*c]
		label := i * 7 % c
		labels[i] = float64(label)
		best := slices.Index(row, slices.Max(row))
		if best == label {
			correct++
		}
		total := 0.0
		for _, v := range row {
			total += math.Exp(v - row[best])
		}
		for k, v := range row {
			above, target := v-row[best], smoothing/float64(c)
			if k == label {
				target += 1 - smoothing
			}
			loss += scale * target * (math.Log(total) - above)
			want[i*c+k] = scale * (math.Exp(above)/total - target)
		}
	}
	m.launch(shape{1, 1, threads}, "softmax_loss_"+typ.String(), stats, dlogits, logits, m.of(f32, 0, labels), m.of(f32, 0, []float64{scale}),
		n, c, float32(smoothing))
	m.compareWithin("stats", stats, []float64{loss, correct}, 1e-6, 1)
	m.compareWithin("dlogits", dlogits, want, 1e-6, scale)
}

func TestSoftmaxLossOfNaN(t *testing.T) {
	eachType(t, func(m *machine, typ kind) {
		for _, c := range []int{3, 40} {
			m.begin("%d classes", c)
			values := m.uniform(c, 0, 1)
			values[0] = math.NaN()
			stats, dlogits := m.empty(f32, 2, 0), m.empty(typ, c, 0)
			m.launch(shape{1, 1, 64}, "softmax_loss_"+typ.String(), stats, dlogits, m.of(typ, 0, values), m.of(f32, 0, []float64{0}),
				m.of(f32, 0, []float64{1}), 1, c, float32(0))
			m.compare("stats", stats, []float64{math.NaN(), 1}) // as nn/purego: nothing is larger than the first
			m.compare("dlogits", dlogits, slices.Repeat([]float64{math.NaN()}, c))
		}
	})
}
