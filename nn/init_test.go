package nn_test

import (
	"math"
	"slices"
	"testing"

	"ringloom/nn"
	"ringloom/nn/purego"
)

func TestInitIsUniformWithinTheBound(t *testing.T) {
	d := purego.New()
	defer d.Close()
	params, err := nn.NewParams(d, 20, func(b *nn.Builder, x *nn.Tensor) *nn.Tensor { return b.Linear(b.Linear(x, 50), 10) })
	if err != nil {
		t.Fatal(err)
	}
	params.Init(42)
	first := slices.Clone(params.Values.Host)
	for i, p := range params.List {
		bound := 1 / math.Sqrt(float64(p.FanIn))
		mean, square := 0.0, 0.0
		for _, v := range params.Value(i).Host {
			if math.Abs(float64(v)) > bound {
				t.Fatalf("%s has %v, outside ±%v", p.Name, v, bound)
			}
			mean += float64(v) / float64(p.Len)
			square += float64(v) * float64(v) / float64(p.Len)
		}
		// Five standard errors of a uniform distribution's moments.
		n := math.Sqrt(float64(p.Len))
		if math.Abs(mean) > 5*bound/math.Sqrt(3)/n || math.Abs(square-bound*bound/3) > 5*bound*bound*0.3/n {
			t.Errorf("%s: mean %v, mean square %v for ±%v", p.Name, mean, square, bound)
		}
	}
	params.Init(43)
	if params.Values.Host[0] == first[0] {
		t.Error("another seed gave the same numbers")
	}
	params.Init(42)
	if !slices.Equal(params.Values.Host, first) {
		t.Error("the same seed gave other numbers")
	}
}

// These bits may never change: runs of different releases are compared by seed.
func TestInitIsPinned(t *testing.T) {
	d := purego.New()
	defer d.Close()
	params, err := nn.NewParams(d, side, small)
	if err != nil {
		t.Fatal(err)
	}
	params.Init(1)
	got := params.Values.Host[:3]
	want := []float32{0.12900805, -0.051192403, -0.2779274}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}
