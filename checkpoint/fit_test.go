package checkpoint

import (
	"errors"
	"math"
	"reflect"
	"strings"
	"testing"
)

func TestFitTakesAllOrNothing(t *testing.T) {
	meta, have := example()
	target := func() []Tensor {
		return []Tensor{{Name: "0.weight", Shape: []int{2, 1, 1, 2}, Data: make([]float32, 4)}, {Name: "0.bias", Shape: []int{2}, Data: make([]float32, 2)}}
	}
	want := target()
	if err := Fit("lenet", want, meta, have); err != nil || !reflect.DeepEqual(want, have) {
		t.Fatalf("got %v %v", want, err)
	}
	for name, c := range map[string]struct {
		change func(m *Meta, h []Tensor) []Tensor
		says   string
	}{
		"model":   {func(m *Meta, h []Tensor) []Tensor { m.Model = "alexnet"; return h }, "it holds alexnet, not lenet: choose --model alexnet"},
		"missing": {func(m *Meta, h []Tensor) []Tensor { return h[:1] }, `lenet's tensor "0.bias" [2] is missing: choose the --model`},
		"extra":   {func(m *Meta, h []Tensor) []Tensor { return append(h, Tensor{Name: "1.bias"}, Tensor{Name: "2.bias"}) }, `lenet has no tensor "1.bias" [] (and 1 more): choose`},
		"renamed": {func(m *Meta, h []Tensor) []Tensor { h[1].Name = "module.0.bias"; return h }, `"0.bias" [2] is missing; the file's "module.0.bias" has that shape: rename it`},
		"kind": {func(m *Meta, h []Tensor) []Tensor {
			h[1] = Tensor{Name: "0.bias", Shape: []int{2}, Ints: []int64{1, 2}}
			return h
		},
			`"0.bias" holds integers (I64), lenet needs floats (F32)`},
		"infinity": {func(m *Meta, h []Tensor) []Tensor { h[0].Data[3] = float32(math.Inf(-1)); return h }, `element 3 of tensor "0.weight" is -Inf`},
		"shape":    {func(m *Meta, h []Tensor) []Tensor { h[1].Shape = []int{2, 1}; return h }, `"0.bias" has shape [2 1], lenet needs [2]`},
		"nan":      {func(m *Meta, h []Tensor) []Tensor { h[1].Data[1] = float32(math.NaN()); return h }, `element 1 of tensor "0.bias" is NaN: the run that wrote it went wrong`},
	} {
		meta, have := example()
		have = c.change(&meta, have)
		want := target()
		err := Fit("lenet", want, meta, have)
		if !errors.Is(err, ErrMismatch) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: got %v", name, err)
		}
		if !reflect.DeepEqual(want, target()) {
			t.Errorf("%s: the parameters changed", name)
		}
	}
}

// Old files of PyTorch have no num_batches_tracked.
func TestFitLeavesAMissingCounterAlone(t *testing.T) {
	counter := func(v int64) Tensor { return Tensor{Name: "1.num_batches_tracked", Shape: []int{}, Ints: []int64{v}} }
	want := []Tensor{counter(7)}
	if err := Fit("net", want, Meta{}, nil); err != nil || want[0].Ints[0] != 7 {
		t.Errorf("missing: %v, %v", want[0].Ints, err)
	}
	if err := Fit("net", want, Meta{}, []Tensor{counter(9)}); err != nil || want[0].Ints[0] != 9 {
		t.Errorf("there: %v, %v", want[0].Ints, err)
	}
}
