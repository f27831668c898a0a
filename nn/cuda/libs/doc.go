// Package libs calls cuBLAS, cuDNN and NVRTC, which it loads at run time: building needs -tags gpu and a C compiler,
// but no CUDA header and no library.
//
//	if err := libs.Load(); err != nil { ... }         // one line: what was looked for, the loader's words, what to do
//	code, log, err := libs.CompileRTC(source, "kernels.cu", []string{"--gpu-architecture=sm_90"})
//	blas, err := libs.OpenBLAS(stream.Handle())
//	err = blas.Gemm(c, a, b, 1, 0, libs.TF32)         // row-major
//	dnn, err := libs.OpenDNN(stream.Handle())
//	conv, err := dnn.NewConv(shape)                   // NHWC and OHWI
//	found, err := conv.FindForward(x, w, y, workspace, bytes)
//	err = conv.Forward(found[0], x, w, y, workspace, bytes, 0)
//
// # Which library is loaded
//
// RINGLOOM_LIBCUDNN, RINGLOOM_LIBCUBLAS and RINGLOOM_LIBNVRTC name the file to load, and then nothing else is tried.
// Otherwise the folders of RINGLOOM_CUDA_PATH come first, then what the loader finds by itself (LD_LIBRARY_PATH,
// ldconfig), then $CUDA_HOME/lib64, /usr/local/cuda/lib64 and /usr/lib/x86_64-linux-gnu; within each, the newest name.
// A file that is there and does not load ends the search with an error. Loaded says what was taken.
//
// From a folder that is not on the loader's path, the libraries' companions are loaded first (siblings.go).
//
// # Threads, memory, order
//
// OpenBLAS and OpenDNN need the CUDA context current on the calling thread; a BLAS, a DNN and its Convs then belong to
// that thread and put their work on the one stream. Gemm, Forward, ForwardBias, BackwardData and BackwardWeights
// only enqueue: each is one call into C, allocates nothing and does not wait, so they can be captured into a graph. The
// Find functions run and time the algorithms, which waits for the device and overwrites the output. The caller owns all
// device memory, the workspaces included.
//
// # Two interfaces to convolve with
//
// Find..., Forward, BackwardData and BackwardWeights use cuDNN's legacy API, which versions 8 and 9 share and which is
// all that a device needs. Plans (graph.go, graph.c, plan.c) is the same through cuDNN's graph API, whose newer engines
// the legacy API does not reach, and which adds a bias and does a ReLU in the same kernel; nothing else here depends on
// it. Plan builds one of them again, by its engine and the place of its configuration among all that cuDNN proposes.
//
// # Tests
//
// Loading, NVRTC and the declarations are tested against what is installed (RINGLOOM_CUDA_INCLUDE names a folder with
// CUDA's headers), the mathematics against naive loops on a GPU or on the emulator of package emulator
// (RINGLOOM_LIBCUDA and the three variables above name its file). What is missing is skipped with the reason. They use
// package driver, and so are built with the flags that it needs.
package libs
