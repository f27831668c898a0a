package scaling

import (
	"math"
	"slices"
	"testing"
)

func labels(a axis) []string {
	var out []string
	for _, t := range a.ticks {
		out = append(out, t.label)
	}
	return out
}

func TestAxesHaveRoundTicks(t *testing.T) {
	for name, c := range map[string]struct {
		got  axis
		want []string
	}{
		"linear":              {linearAxis(87, plain), []string{"0", "25", "50", "75", "100"}},
		"linear of a unit":    {linearAxis(1, percent), []string{"0%", "25%", "50%", "75%", "100%"}},
		"linear above":        {linearAxis(1.02, plain), []string{"0", "0.5", "1", "1.5"}},
		"linear of nothing":   {linearAxis(0, plain), []string{"0", "1"}},
		"ranks":               {ranksAxis([]float64{4, 1, 2, 2}, whole), []string{"1", "2", "4"}},
		"ranks that crowd":    {ranksAxis([]float64{1, 2, 4, 8, 16, 17, 32}, whole), []string{"1", "2", "4", "8", "16", "", "32"}},
		"powers":              {powerAxis([]float64{3, 900}, 10, plain), []string{"1", "10", "100", "1000"}},
		"powers of one":       {powerAxis([]float64{100}, 10, plain), []string{"100", "1000"}},
		"many powers":         {powerAxis([]float64{1, 1 << 14}, 2, plain), []string{"1", "", "4", "", "16", "", "64", "", "256", "", "1024", "", "4096", "", "16384"}},
		"decades":             {decadeAxis([]float64{230, 790}, plain), []string{"200", "500", "1000"}},
		"decades at a tick":   {decadeAxis([]float64{200, 500}, plain), []string{"200", "500"}},
		"decades of one":      {decadeAxis([]float64{196}, plain), []string{"100", "200"}},
		"decades of one tick": {decadeAxis([]float64{200}, plain), []string{"200", "500"}},
		"many decades":        {decadeAxis([]float64{1, 900}, plain), []string{"1", "", "", "10", "", "", "100", "", "", "1000"}},
	} {
		if got := labels(c.got); !slices.Equal(got, c.want) {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
	}
}

func TestAxisMaps(t *testing.T) {
	a := axis{log: true, lo: 1, hi: 100, from: 50, to: 250}
	b := axis{lo: 0, hi: 4, from: 200, to: 0}
	for _, c := range []struct{ got, want float64 }{
		{a.at(1), 50}, {a.at(10), 150}, {a.at(100), 250}, {a.at(1e9), 250},
		{b.at(0), 200}, {b.at(1), 150}, {b.at(-1), 200},
	} {
		if math.Abs(c.got-c.want) > 1e-9 {
			t.Errorf("got %g, want %g", c.got, c.want)
		}
	}
}
