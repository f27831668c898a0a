// Package step measures one whole training step of a model in one process: forward, backward and Adam's update,
// without a ring, a prefetcher or an evaluation. It is what `ringloom bench step` runs.
//
//	runtime.LockOSThread()
//	device, err := onednn.New(onednn.Options{Threads: 2})
//	result, err := step.Run(ctx, step.Config{Model: model, Device: device, Threads: 2, Batch: 64, MinSteps: 5})
//	result.WriteText(os.Stdout)
//
// Run compiles the model on the device that it is given, behind a device of this package that times every kernel. An
// op.Accelerator is used directly: its steps are timed in rounds, with one step queued while the one before is
// computed, as in training, and its kernels by its own trace of one more step. The caller locks the thread, opens the
// device and closes it. Run blocks until it is done; a cancelled context ends it between two steps.
//
// A shared machine loses a core for seconds at a time. So the figures are those of the best step, with the median
// beside them, and the peak that they are compared with is measured before and after the steps, in the same process and
// on the same thread.
package step
