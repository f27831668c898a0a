// Package nn turns a network written as a few lines of layers into a differentiated graph, and writes that down as a
// list of operations. It owns the parameters' names, order, initial values and memory.
//
// A model is a function over a [Builder]: each call adds one layer to a Gorgonia expression graph and records the
// layer's parameters.
//
//	func model(b *nn.Builder, x *nn.Tensor) *nn.Tensor {
//		x = b.MaxPool(b.ReLU(b.Conv2D(x, 8, 3, nn.Pad(1))), 2)
//		return b.Linear(x, 10)
//	}
//
// [Inspect] says what it is: layers, shapes, parameters, arithmetic. [NewParams] lays all parameters out in one
// contiguous arena, and their gradients in a second one of the same layout, which is what a collective sends.
// [Lower] differentiates the graph with gorgonia.Grad and gives the [Listing] of a step, which package exec compiles
// and runs on a device.
//
// The rooms below: nn/op has the operations and the contract of devices, nn/exec fuses, plans and runs a step, and
// nn/purego, nn/onednn and nn/cuda are the devices. Only this package knows Gorgonia, whose own tape machine can run
// the same graph and is the oracle of its tests.
//
// Nothing here starts a goroutine or blocks on anything but arithmetic.
package nn
