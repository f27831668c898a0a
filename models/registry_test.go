package models_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"ringloom/models"
	"ringloom/nn"
	"ringloom/nn/purego"
)

func TestLookupNamesTheKnownModels(t *testing.T) {
	_, err := models.Lookup("lennet")
	if !errors.Is(err, models.ErrUnknown) || !strings.Contains(err.Error(), `"lennet"`) || !strings.Contains(err.Error(), "lenet,") && !strings.HasSuffix(err.Error(), "lenet") {
		t.Errorf("error %q does not name the model asked for and those known", err)
	}
	if !slices.IsSorted(models.Names()) {
		t.Errorf("names %v are not sorted", models.Names())
	}
}

func TestInspectCounts(t *testing.T) {
	for _, want := range []struct {
		name            string
		inputSide       int
		params          int
		multiplications int64 // of one image's forward pass
	}{
		{"lenet", 28, 61706, 28*28*6*25 + 10*10*16*150 + 400*120 + 120*84 + 84*10},
		// The parameters of the others are those that their golden files count.
		{"alexnet", 224, 46764746, 938146176},
	} {
		spec, err := models.Lookup(want.name)
		if err != nil {
			t.Fatal(err)
		}
		info, err := spec.Inspect()
		if err != nil {
			t.Fatal(err)
		}
		if spec.About == "" || spec.InputSide != want.inputSide {
			t.Errorf("%+v", spec)
		}
		if info.ParamLen() != want.params || info.ForwardFLOPs != 2*want.multiplications {
			t.Errorf("%s: %d parameters, %d FLOPs", want.name, info.ParamLen(), info.ForwardFLOPs)
		}
	}
}

func TestEveryModelHasTenClasses(t *testing.T) {
	for _, name := range models.Names() {
		m, err := models.Lookup(name)
		if err != nil {
			t.Fatal(err)
		}
		info, err := nn.Inspect(m.InputSide, m.Build)
		if err != nil {
			t.Fatal(err)
		}
		if info.Classes != 10 {
			t.Errorf("%s has %d classes", name, info.Classes)
		}
	}
}

// The names are those of the state dict of the textbook's nn.Sequential, so that exported parameters load there.
func TestLenetParameters(t *testing.T) {
	m, err := models.Lookup("lenet")
	if err != nil {
		t.Fatal(err)
	}
	d := purego.New()
	defer d.Close()
	p, err := m.NewParams(d)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, q := range p.List {
		names = append(names, q.Name)
	}
	want := strings.Fields("0.weight 0.bias 3.weight 3.bias 7.weight 7.bias 9.weight 9.bias 11.weight 11.bias")
	if !slices.Equal(names, want) {
		t.Errorf("names %v, want %v", names, want)
	}
	if p.Len() != 61706 || len(p.Values.Host) != p.Len() || len(p.Grads.Host) != p.Len() {
		t.Errorf("%d parameters, %d values, %d gradients", p.Len(), len(p.Values.Host), len(p.Grads.Host))
	}
}
