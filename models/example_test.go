package models_test

import (
	"fmt"

	"ringloom/models"
	"ringloom/nn"
)

// A model is a function over a builder, about one line a layer. To add one to `ringloom models`, write it so in a file of
// this package and call register in its init function; the optimizer, the ring and every device then take it as it is.
func Example() {
	model := models.Spec{
		Name: "two-layer", InputSide: 28,
		Build: func(b *nn.Builder, x *nn.Tensor) *nn.Tensor { // x is [N, 28, 28, 1], in 0..1
			x = b.MaxPool(b.ReLU(b.Conv2D(x, 8, 5, nn.Pad(2))), 2)
			return b.Linear(x, 10) // logits
		},
	}
	info, err := model.Inspect() // builds it without a device, to count
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, p := range info.Params {
		fmt.Println(p.Name, p.Shape)
	}
	fmt.Println(info.ParamLen(), "parameters")
	// Output:
	// 0.weight [8 1 5 5]
	// 0.bias [8]
	// 4.weight [10 1568]
	// 4.bias [10]
	// 15898 parameters
}
