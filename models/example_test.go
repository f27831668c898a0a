package models_test

import (
	"fmt"

	"ringloom/models"
	"ringloom/nn"
	"ringloom/nn/exec"
	"ringloom/nn/purego"
)

// tiny is a model: about one line a layer.
func tiny(b *nn.Builder, x *nn.Tensor) *nn.Tensor {
	x = b.MaxPool(b.ReLU(b.BatchNorm(b.Conv2D(x, 8, 3, nn.Pad(1), nn.NoBias()))), 2)
	x = b.Sequential(x, func(x *nn.Tensor) *nn.Tensor {
		return b.MaxPool(b.ReLU(b.Conv2D(x, 16, 3)), 2)
	})
	return b.Linear(b.Dropout(x, 0.2), 10)
}

// A model is a function over a builder. In a file of this package, whose init registers the Spec, every command would
// know it by name.
func Example_addAModel() {
	m := models.Spec{Name: "tiny", InputSide: 28, About: "two convolutions", Build: tiny}

	info, err := nn.Inspect(m.InputSide, m.Build)
	if err != nil {
		panic(err)
	}
	for _, l := range info.Layers {
		fmt.Printf("%-5s %-12s %v\n", l.Module, l.Class, l.Output)
	}
	for _, p := range info.Params {
		fmt.Printf("%-12s %v\n", p.Name, p.Shape)
	}

	device := purego.New()
	defer device.Close()
	params, err := m.NewParams(device)
	if err != nil {
		panic(err)
	}
	if err := params.Init(1); err != nil {
		panic(err)
	}
	program, err := exec.Compile(exec.Config{
		Device: device, Params: params, Batch: 4, Side: m.InputSide, Build: m.Build, Training: true,
	})
	if err != nil {
		panic(err)
	}
	pixels, labels := program.Input()
	for i := range pixels {
		pixels[i] = float32(i%7) / 7
	}
	copy(labels, []float32{3, 1, 4, 1})
	stats, err := program.Forward()
	if err != nil {
		panic(err)
	}
	if err := program.Backward(nil); err != nil {
		panic(err)
	}
	fmt.Printf("%d parameters, loss %.1f\n", params.Len(), stats.Loss)
	// Output:
	// 0     Conv2d       1x28x28x8
	// 1     BatchNorm2d  1x28x28x8
	// 2     ReLU         1x28x28x8
	// 3     MaxPool2d    1x14x14x8
	// 4.0   Conv2d       1x12x12x16
	// 4.1   ReLU         1x12x12x16
	// 4.2   MaxPool2d    1x6x6x16
	// 5     Dropout      1x6x6x16
	// 6     Flatten      1x6x6x16
	// 7     Linear       1x1x1x10
	// 0.weight     [8 1 3 3]
	// 1.weight     [8]
	// 1.bias       [8]
	// 4.0.weight   [16 8 3 3]
	// 4.0.bias     [16]
	// 7.weight     [10 576]
	// 7.bias       [10]
	// 7026 parameters, loss 2.2
}
