package run

import (
	"reflect"
	"slices"
	"testing"

	"ringloom/cluster"
	"ringloom/train"
)

// A setting that the digest forgot would let ranks train differently.
func TestDigestCoversEverySetting(t *testing.T) {
	whole := func(c train.Config) any { return Config{Train: c}.digest("data", "start") }
	fields := reflect.TypeFor[train.Config]()
	for i := range fields.NumField() {
		c := train.DefaultConfig()
		switch v := reflect.ValueOf(&c).Elem().Field(i); v.Kind() {
		case reflect.String:
			v.SetString("another")
		case reflect.Int:
			v.SetInt(v.Int() + 1)
		case reflect.Uint64:
			v.SetUint(v.Uint() + 1)
		case reflect.Float64:
			v.SetFloat(v.Float() + 0.25)
		case reflect.Bool:
			v.SetBool(!v.Bool())
		default:
			t.Fatalf("%s has kind %v", fields.Field(i).Name, v.Kind())
		}
		if reflect.DeepEqual(whole(c), whole(train.DefaultConfig())) {
			t.Errorf("the digest does not hold %s", fields.Field(i).Name)
		}
	}
	digest := Config{Train: train.DefaultConfig()}.digest("data", "start")
	for i, f := range digest {
		if slices.ContainsFunc(digest[:i], func(g cluster.Field) bool { return g.Name == f.Name }) {
			t.Errorf("the digest holds %s twice", f.Name)
		}
	}
}
