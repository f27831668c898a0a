// Package onednn is the CPU device: it runs convolutions and linear layers with oneDNN (Debian's
// libdnnl-dev, 2.6) where that is fast, and the rest with kernels of its own.
//
// Build with -tags onednn (cgo and libdnnl-dev are needed). Without the tag, or without cgo, the package still
// compiles; New and Available then return ErrNotBuilt.
//
//	runtime.LockOSThread()
//	dev, err := onednn.New(onednn.Options{Threads: 1})
//	if err != nil { ... }
//	defer dev.Close()
//	kernel, err := dev.Compile(op.SigmoidForward{Len: 4704})
//
// # Which kernel runs
//
// Compile decides by the operation's shape and the processor's instruction set alone, never by a timing, so every rank
// on the same kind of machine takes the same path. choose.go holds the rules and says what was measured. Convolutions
// that are written here need AVX-512; elsewhere the same shapes go to oneDNN. Pooling, batch normalisation, the
// element-wise operations and the optimizers are limited by memory: versions.h compiles each for AVX-512, AVX2 and any
// processor. ONEDNN_MAX_CPU_ISA=AVX2 (oneDNN's own variable) caps all of it, and is how the tests cover the others.
//
// What oneDNN lacks is done around it (plan.c): a result with a pitch, or layouts that it likes better, by its
// reorders; accumulation, masks and paddings as large as the kernel by plan_border.c. Working memory is one arena that
// all kernels of a device share.
//
// Convolution weights arrive in PyTorch's OIHW order and are packed at each Run: they change with every training
// step, and packing LeNet's takes a few microseconds.
//
// # What limits LeNet
//
// At batch 256 the second convolution runs at the core's peak (its gradients at 75 to 90% of it), so the rest is
// memory: the first convolution's activations are 4.8 MB, more than the level-2 cache, and six kernels stream them.
// Sigmoid and its gradient work in place (dst may be src[0]), which saves a tenth of the step.
//
// # Threads and memory
//
// A device belongs to one OS thread (see op.Device). With one thread nothing is spawned; with more, oneDNN and the
// kernels here share the OpenMP team of the calling thread. Its size is set and looked at once for each thread that
// runs kernels: oneDNN computes wrong numbers, or hangs, with a smaller team than it has planned for, and variables
// such as OMP_DYNAMIC and OMP_THREAD_LIMIT make it smaller. Where OpenMP does not give as many threads as Options ask
// for, the device has fewer, and says so (Shortage). Run allocates nothing on the Go heap. Alloc's memory
// comes from C and is freed by Close, after which a buffer's Host must not be touched.
//
// # What is not a number
//
// NaN passes through every operation, ReLU among them: a training that diverges, or a damaged checkpoint, shows in the
// same step. So oneDNN's fused ReLU, which makes 0 of it, is not used: a pass of our own follows (plan_border.c).
//
// # Determinism
//
// Work is split among a fixed number of threads and partial sums are added in the order of the threads: the same
// input gives the same bits from run to run and from process to process, for one thread count and instruction set.
package onednn
