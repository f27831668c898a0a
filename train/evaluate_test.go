package train

import (
	"slices"
	"testing"

	"ringloom/data"
	"ringloom/nn/acceltest"
	"ringloom/nn/op"
	"ringloom/nn/purego"
)

// Evaluation on an accelerator, which resizes the images itself, keeps the same pixels and comes to the same numbers; and
// the pixels are those of the resized images.
func TestEvaluationOnAnAccelerator(t *testing.T) {
	const images = 5
	spec, set := specOf(t, "vgg-tiny-96"), stripes(images, 2)
	type result struct {
		Outcome
		logits, pixels []float32
	}
	var results [2]result
	for i, device := range []op.Device{purego.New(), acceltest.New()} {
		defer device.Close()
		params, err := spec.NewParams(device)
		if err != nil {
			t.Fatal(err)
		}
		if err := params.Init(3); err != nil {
			t.Fatal(err)
		}
		r := &results[i]
		r.Outcome, err = Evaluate(t.Context(), Evaluation{
			Device: device, Model: spec, Params: params, Set: set, Images: images, Batch: 3,
			OnBatch: func(b Evaluated) error {
				r.logits, r.pixels = append(r.logits, b.Logits...), b.Pixels(r.pixels)
				return nil
			},
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	a, b := results[0], results[1]
	if a.Outcome != b.Outcome || a.Images != images || !slices.Equal(a.logits, b.logits) || !slices.Equal(a.pixels, b.pixels) {
		t.Errorf("on the host %+v, on the accelerator %+v", a.Outcome, b.Outcome)
	}
	side := spec.InputSide
	if len(a.pixels) != images*side*side || len(a.logits) != images*data.Classes {
		t.Fatalf("%d pixels and %d logits", len(a.pixels), len(a.logits))
	}
	resizer, image, want := data.NewResizer(set.Side, side), make([]byte, side*side), make([]float32, side*side)
	resizer.Bytes(image, set.Images[4*set.Side*set.Side:])
	data.Normalize(want, image)
	if !slices.Equal(a.pixels[4*side*side:], want) {
		t.Error("the last image has other pixels")
	}
}
