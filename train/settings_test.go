package train

import (
	"reflect"
	"slices"
	"testing"
)

// A setting that the table forgot would let ranks train differently.
func TestSettingsAreTheFieldsOfConfig(t *testing.T) {
	fields := reflect.TypeFor[Config]()
	if len(Settings()) != fields.NumField() {
		t.Errorf("%d settings for %d fields", len(Settings()), fields.NumField())
	}
	for _, s := range Settings() {
		var c Config
		v := reflect.ValueOf(&c).Elem().FieldByName(s.Field)
		if !v.IsValid() || v.Addr().Interface() != s.Address(&c) {
			t.Errorf("%s is at another field", s.Field)
			continue
		}
		before := s.Value(c)
		switch v.Kind() {
		case reflect.String:
			v.SetString("another")
		case reflect.Int:
			v.SetInt(1)
		case reflect.Uint64:
			v.SetUint(1)
		case reflect.Float64:
			v.SetFloat(0.25)
		case reflect.Bool:
			v.SetBool(true)
		}
		if s.Value(c) == before {
			t.Errorf("%s: two values read %q", s.Field, before)
		}
		if s.Flag == "" || s.Label == "" || s.Help == "" {
			t.Errorf("%s lacks a name or a help: %+v", s.Field, s)
		}
	}
	for _, name := range []func(Setting) string{
		func(s Setting) string { return s.Field }, func(s Setting) string { return s.Flag }, func(s Setting) string { return s.Label },
	} {
		var names []string
		for _, s := range Settings() {
			if slices.Contains(names, name(s)) {
				t.Errorf("%s stands for two settings", name(s))
			}
			names = append(names, name(s))
		}
	}
}

func TestASettingSaysWhatItNeeds(t *testing.T) {
	c := DefaultConfig() // adam, constant, float32
	want := map[string]string{
		"Momentum": "optimizer sgd", "StepEpochs": "schedule step", "Gamma": "schedule step", "MinRate": "schedule cosine",
		"CropPadding": "augment", "Flip": "augment", "PowerSGDStart": "powersgd",
	}
	for _, s := range Settings() {
		if need(s, c) != want[s.Field] {
			t.Errorf("%s needs %q, want %q", s.Field, need(s, c), want[s.Field])
		}
	}
	c.Optimizer, c.ErrorFeedback = "sgd", "on"
	for _, s := range Settings() {
		switch s.Field {
		case "Beta1", "Beta2", "Epsilon":
			if need(s, c) != "optimizer adam or adamw" {
				t.Errorf("%s needs %q", s.Field, need(s, c))
			}
		case "ErrorFeedback":
			if need(s, c) != "another wire than float32" {
				t.Errorf("%s needs %q", s.Field, need(s, c))
			}
		}
	}
}

// need is what a setting needs, with flags.
func need(s Setting, c Config) string {
	n := s.Needs(c)
	if n == nil {
		return ""
	}
	for _, other := range Settings() {
		if other.Field == n.Field {
			return n.Named(other.Flag)
		}
	}
	return "an unknown setting"
}
