// Package cudaemu stands in for a GPU in tests: one shared library, built with g++ from the C++ sources under src, that
// exports the functions of libcuda, NVRTC, cuBLAS and cuDNN which this program uses, under their real names and with their
// real binary interface. Device memory is host memory; a device pointer is a host address. NVRTC compiles the kernels' own
// sources with g++, and a launch executes them: what is tested is what runs on a GPU, and its numbers.
//
// Two other packages stand in for something that computes, and neither executes CUDA. bench/emulate is a device that waits as
// long as a measured step took, to show what communication costs. nn/acceltest is an accelerator in memory: the reference
// device behind a queue, to test that the trainer keeps the order that a queue needs.
//
// # Use
//
//	cudaemu.Use(t) // at the head of a test, before anything loads a library
//
// or, for a program that is started: add Env(lib) of Build to its environment. All four libraries are the one file; it
// exports the data symbol ringloom_emulator, by which it can be told from the real ones.
//
// Variables, read once by the library (C's getenv; in a program with cgo os.Setenv reaches it):
//
//   - RINGLOOM_EMULATOR_SEED: 0 (as without it) runs work as late as it may; any other number chooses at random, repeatably,
//     which stream advances. Run tests with 0 and with a few others: each finds other mistakes.
//   - RINGLOOM_EMULATOR_DEVICES: how many devices there are (1). RINGLOOM_EMULATOR_MEMORY: bytes of each (2 GiB).
//   - RINGLOOM_EMULATOR_MIG=1: the devices are MIG slices of one GPU, whose UUID the older of the two calls gives for all of them.
//   - RINGLOOM_EMULATOR_CHECK=each: look for writes outside of allocations after each piece of work, to find whose they are.
//   - RINGLOOM_EMULATOR_LEAKS=abort: anything that is left when a context ends is an error.
//   - RINGLOOM_EMULATOR_TRACE=1: write each piece of work to standard error as it runs.
//   - RINGLOOM_EMULATOR_LEGACY: what the algorithms of cuDNN's legacy interface do: float32, that is no bfloat16, or none.
//   - RINGLOOM_EMULATOR_CUDNN: the version that cuDNN says it is (90600); before 8300 the backend API refuses everything.
//   - RINGLOOM_EMULATOR_ENGINES: faults of engines of cuDNN's backend API, such as 6=wrong,14=slow: wrong leaves out the last
//     image, overwrites ignores beta, unbiased and unrectified leave out the bias and the ReLU behind a convolution, lossy
//     has no ReLU that keeps NaN, forgetful takes one that is asked to and makes 0 of NaN all the same, slow takes
//     100 times as long, fails refuses to run. This one is read at each run.
//   - RINGLOOM_EMULATOR_CACHE: the folder of compiled kernels; without it a temporary one that goes with the process.
//
// # What it proves
//
// It judges the program that calls it more strictly than hardware would:
//
//   - Work runs late. A stream is a queue; with seed 0 nothing runs before something waits for it, and host memory is read and
//     written when a copy runs. A wait that was forgotten, or host memory that is used too early, gives wrong data every time.
//   - Memory that nobody wrote is NaN; guard zones around allocations are checked; freed memory is unmapped.
//   - The kernels' own sources run, compiled by g++ behind NVRTC's interface: threads as fibers, with __shared__ memory unwritten
//     at the start of a block, and threads and blocks in either order. A barrier or shuffle that not all threads reach, a
//     misaligned access and an index outside of an array end the process with a message.
//   - Stream capture records what depends on what; a graph's nodes run in the least convenient order that this allows.
//   - Arguments are checked: handles, contexts, ranges, types, shapes, workspaces.
//
// # What it can't prove
//
// Nothing about NVIDIA's libraries themselves: that they support a shape, how they round, which algorithms they offer, how they
// fail. Nothing about speed or memory use. Work is atomic: kernels never overlap, so that a race between two of them shows only
// as one before the other, and a graph runs as one piece. Null-stream work doesn't wait for other streams, nor they for it.
// Kernels may be wrong in ways that g++ doesn't show: what NVRTC rejects, registers and shared memory that don't suffice,
// accesses inside of one allocation but outside of a tensor. Those need a GPU.
//
// Not emulated, and refused: dynamic shared memory, warp operations of part of a warp, atomics, textures, child graphs, headers
// for NVRTC, NCHW filters, groups, and of cuDNN's backend (graph) API all but the three convolutions, alone in a graph or, forward,
// with a bias, a ReLU or both behind it.
//
// # Time
//
// Events tell made-up times: each piece of work puts a clock forward by what it is said to take, always the same. Of cuDNN's ways
// to compute a convolution each has its time, so that a test knows which one a program must take. The fastest are traps: an
// engine that rounds its inputs, one that wants 16 GiB, ones without a fixed order of sums. cudnn_engines.cpp lists the engines.
package cudaemu
