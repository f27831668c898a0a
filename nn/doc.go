// Package nn turns a network written as a few lines of layers into a program that a device runs.
//
// A model is a function over a [Builder]: each call adds one layer to a Gorgonia expression graph and records the
// layer's parameters. [NewParams] lays all parameters out in one contiguous arena, and their gradients in a second
// one of the same layout, which is what a collective sends. [Compile] differentiates the graph with gorgonia.Grad,
// compiles every node for a [Device], plans the activations' memory and returns a [Program] for one batch size.
// Several programs share one Params: one for the training batch, one for an uneven last batch, one for evaluation.
//
//	params, err := nn.NewParams(device, 28, model)
//	err = params.Init(seed)
//	program, err := nn.Compile(nn.ProgramConfig{Device: device, Params: params, Batch: 256, Side: 28, Build: model, Training: true})
//	pixels, labels := program.Input() // fill them
//	program.SetLossScale(1.0 / 256)
//	stats, err := program.Forward()
//	err = program.Backward(func(param int) { /* its gradient is final */ })
//
// Nothing here starts a goroutine or blocks on anything but arithmetic. A device and all that was compiled for it
// belong to one OS thread at a time: lock it with runtime.LockOSThread. A step allocates nothing.
//
// The devices are in the packages below this one; nn/nntest holds the tests that each of them must pass. Gorgonia's
// own tape machine can run the same graph and is the oracle of this package's tests.
package nn
