package scaling

import "testing"

func TestOverlap(t *testing.T) {
	for name, c := range map[string]struct {
		ready, sums []float64
		want        float64
	}{
		"nothing":                       {nil, nil, 0},
		"one bucket at the end":         {[]float64{1}, []float64{3}, 3},
		"hidden but for the last":       {[]float64{0.5, 1}, []float64{4, 1}, 1},
		"the last waits for the first":  {[]float64{0.5, 1}, []float64{7, 1}, 3},
		"a gap does not count":          {[]float64{0.1, 0.9}, []float64{1, 2}, 1},
		"all ready before the end":      {[]float64{0.1, 0.2}, []float64{1, 1}, 0},
		"bound by the ring from bucket": {[]float64{0.2, 0.4, 1}, []float64{10, 10, 10}, 22},
	} {
		if got := overlap(10, c.ready, c.sums); !near(got, c.want, 1e-12) {
			t.Errorf("%s: got %g, want %g", name, got, c.want)
		}
	}
}

func TestBucketsWithoutTimesAreEven(t *testing.T) {
	s := Study{GradientBytes: 6, Buckets: []int64{1, 2, 3}}
	_, ready := s.buckets()
	if !near(ready[0], 1.0/3, 1e-12) || ready[2] != 1 {
		t.Errorf("ready at %v", ready)
	}
	s.Buckets = nil
	if bytes, ready := s.buckets(); len(bytes) != 1 || bytes[0] != 6 || ready[0] != 1 {
		t.Errorf("no buckets: %v at %v", bytes, ready)
	}
}
