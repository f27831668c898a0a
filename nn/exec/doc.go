// Package exec runs a model's step on a device: it fuses the operations of an nn.Listing, plans their memory in one
// arena, has the device compile each, and walks them. A [Program] is one model at one batch size.
//
//	params, err := nn.NewParams(device, 28, model)
//	err = params.Init(seed)
//	program, err := exec.Compile(exec.Config{
//		Device: device, Params: params, Batch: 256, Side: 28, Build: model, Training: true,
//	})
//	err = program.Load(pixels, labels)
//	stats, err := program.Forward()
//	err = program.Backward(func(param int) { /* its gradient is final */ })
//
// Several programs share one nn.Params: one for the training batch, one for an uneven last batch, one for evaluation.
//
// # Order
//
// Operations run in the order in which their nodes were created, which is the same in every process. Backward tells of
// each parameter as soon as its gradient is final, late layers first, so that it may travel while earlier layers are
// still computed. Fusion (fuse.go) changes how often memory is read, not the numbers beyond rounding; placement
// (plan.go) changes nothing.
//
// # Blocking, threads, memory
//
// A device and all that was compiled for it belong to one OS thread at a time: lock it with runtime.LockOSThread. On a
// device that computes in the host's memory every call returns when it is done; on an op.Accelerator Start and Backward
// queue, and Stats waits. A step in steady state allocates nothing. A Program's memory lives until its device closes;
// there is nothing else to stop.
package exec
