// Package kernels holds the CUDA device's own kernels as source, and the launch geometry that suits them. It needs no
// CUDA: the device hands Source to NVRTC, tests hand it to a C++ compiler.
//
// The sources include nothing. Kernels with the suffix _f32 or _bf16 come in two types of activations, float and
// bfloat16; parameters, their gradients and sums are float in both. Accumulations are in float or double and in an
// order that only the launch geometry decides: no atomics, so runs repeat bit for bit. Any grid gives right results;
// blocks are one-dimensional and no larger than this package's functions say.
//
// Each .cu file is one concept, and says what limits the speed of its kernels: nearly always memory, which is why they
// move 16 bytes an access wherever pointers and shapes allow it, and divide once a thread or row, not once an element.
package kernels
