// Package driver is the part of the CUDA driver API that a training step needs: a device's context, its memory,
// streams, events, captured graphs and modules of kernels. It wraps gorgonia.org/cu, and calls what cu lacks (graphs
// from captured streams, page-locked memory, launches with arguments of any size, the log of a module) through cgo.
//
// The package needs the build tag gpu (not cuda: that switches on Gorgonia's own CUDA engine, which does not compile
// with today's CUDA) and, in cgo's flags, ../include and the libcuda that `make build-cuda` makes of ../stub. Without
// the tag, Load and Devices say how to build, and nothing else is here.
//
// # Loading
//
// Importing the package touches no GPU. Load, and with it Devices and Open, loads the driver's libcuda.so.1 and
// initialises CUDA, once a process. Where that fails, its error is one line: which files were tried, the loader's or
// CUDA's words, and what to do. RINGLOOM_CUDA_PATH holds folders, separated by colons, that are searched first;
// RINGLOOM_LIBCUDA names the file to load, and then nothing else is tried. A binary that was linked with a toolkit's
// libcuda instead (make build-cuda CUDA_HOME=...) ignores both, and ends when it starts where there is no GPU: cu calls
// cuInit at that moment.
//
// # Threads
//
// Open makes the device's primary context current on the calling OS thread, which callers have locked
// (runtime.LockOSThread); all other calls are made on that thread, or after MakeCurrent on another. Nothing here has a
// goroutine of its own.
//
// # Order, and what blocks
//
// The calls of Stream only enqueue and return; work of one stream runs in order, and Record and Wait order two streams.
// Synchronize of a stream or event blocks until the GPU is there. An error of the GPU's work (an illegal address, say)
// is returned by whichever call comes next, and the context is lost from then on.
//
// # Testing
//
// The tests run against RINGLOOM_LIBCUDA or a real driver, and skip where neither can be loaded.
package driver
