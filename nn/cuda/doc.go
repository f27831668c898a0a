// Package cuda is the device of NVIDIA GPUs: convolutions by cuDNN, matrix products by cuBLAS, everything else by the
// kernels of package kernels, which NVRTC compiles when a device is first opened. The driver is spoken to through
// gorgonia.org/cu. All of these libraries are loaded when a device is opened: a binary built with -tags gpu starts on
// a machine that has none of them, and says what is missing when a GPU is asked for.
//
// A Device is an op.Accelerator with two streams. Work is queued on the compute stream; a second one copies gradients
// to the host and back beside it, ordered by events. A program's parts run once as they are, to let the libraries load
// what they need, are then captured as CUDA graphs, and replayed from there on. The memory of a program is planned by
// package exec; scratch memory that a step needs beside it is shared by all steps, because they run one after another.
//
// A Device belongs to one OS thread: lock it with runtime.LockOSThread before New. Nothing here starts a goroutine.
//
// When a program first needs a convolution, several algorithms are tried: those of cuDNN's legacy interface, and some
// engines of its graph interface. The fastest of those that give the same bits each time is taken, but an engine only
// if its result, on numbers made for this, is right. Traces name the one that was taken.
//
// Two variables are for finding faults; 1 switches each on:
//
//   - RINGLOOM_CUDA_EAGER sets Options.Eager: no CUDA graphs, each kernel is launched by itself.
//   - RINGLOOM_CUDNN_LEGACY sets Options.LegacyConvolutions: none of the graph interface's engines.
//
// Tests run on a real GPU with RINGLOOM_TEST_GPU=1, and else on package cudaemu, which is no proof of what the real
// libraries do: see there.
package cuda
