package checkpoint

import (
	"bytes"
	"reflect"
	"testing"
)

func TestTrainingStateComesApartAgain(t *testing.T) {
	meta, model := example()
	optimizer := []Tensor{{Name: "mean.0.bias", Shape: []int{2}, Data: []float32{5, 6}}}
	var b bytes.Buffer
	if err := WriteTraining(&b, meta, model, optimizer); err != nil {
		t.Fatal(err)
	}
	gotMeta, all, err := Read(&b)
	if err != nil {
		t.Fatal(err)
	}
	if all[2].Name != "optimizer.mean.0.bias" || all[0].Name != "model.0.weight" {
		t.Errorf("the file has %q and %q", all[0].Name, all[2].Name)
	}
	gotModel, gotOptimizer := Split(all)
	if !reflect.DeepEqual(gotMeta, meta) || !reflect.DeepEqual(gotModel, model) || !reflect.DeepEqual(gotOptimizer, optimizer) {
		t.Errorf("got %+v, %+v, %+v", gotMeta, gotModel, gotOptimizer)
	}
	if plain, none := Split(model); !reflect.DeepEqual(plain, model) || none != nil {
		t.Errorf("a plain state dict becomes %+v and %+v", plain, none)
	}
}
