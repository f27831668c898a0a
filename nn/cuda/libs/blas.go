//go:build gpu && cgo

package libs

// #include "shim.h"
import "C"

import (
	"fmt"
	"math"
	"unsafe"
)

// Type is the type of the elements of a matrix or tensor.
type Type int

const (
	F32  Type = iota // float32
	BF16             // bfloat16
)

// Compute is how products of float32 are made. Products of bfloat16 are always exact, and summed in float32.
type Compute int

const (
	Strict Compute = iota // float32 throughout
	TF32                  // operands may be rounded to TF32 (10 bits of mantissa); sums are float32
)

// BLAS is a cuBLAS handle on one stream.
type BLAS struct {
	handle C.cublasHandle_t
}

// OpenBLAS makes a handle for the current context; all its work goes to stream (a CUstream).
func OpenBLAS(stream unsafe.Pointer) (*BLAS, error) {
	if err := cublas.load(); err != nil {
		return nil, err
	}
	b := &BLAS{}
	if err := failure(cuBLAS, C.rl_blas_open(C.uintptr_t(uintptr(stream)), &b.handle)); err != nil {
		return nil, err
	}
	return b, nil
}

// SetWorkspace gives cuBLAS device memory of the caller's to work in, aligned to 256 bytes. It must live until the next
// SetWorkspace or Close. NVIDIA recommends 32 MiB for Hopper and 4 MiB before it. With a workspace of the caller's,
// captured graphs need no memory of their own and results are the same from run to run.
func (b *BLAS) SetWorkspace(ptr uintptr, bytes int64) error {
	return failure(cuBLAS, C.rl_blas_workspace(b.handle, C.uintptr_t(ptr), C.size_t(bytes)))
}

// Close destroys the handle. It may wait for the device.
func (b *BLAS) Close() error { return failure(cuBLAS, C.rl_blas_close(b.handle)) }

// Matrix is a row-major matrix in device memory.
type Matrix struct {
	Ptr        uintptr
	Type       Type
	Rows, Cols int  // as stored
	Stride     int  // elements from one row to the next, at least Cols
	Transposed bool // the product takes the transpose of what is stored
}

// shape is the matrix's as the product sees it.
func (m Matrix) shape() (rows, cols int) {
	if m.Transposed {
		return m.Cols, m.Rows
	}
	return m.Rows, m.Cols
}

func (m Matrix) valid() bool {
	return m.Rows >= 0 && m.Cols >= 0 && m.Stride >= m.Cols && m.Stride >= 1 && m.Rows <= math.MaxInt32 && m.Stride <= math.MaxInt32
}

// Gemm enqueues c = alpha*a*b + beta*c; with beta 0 what c held is not read. a and b have one type; c has theirs, or is
// float32. Matrices that do not fit together are a plain error; an empty c is no work.
func (b *BLAS) Gemm(c Matrix, a, bm Matrix, alpha, beta float32, compute Compute) error {
	if c.Transposed { // c' = a*b is c = b'*a'
		c.Transposed = false
		a.Transposed, bm.Transposed = !a.Transposed, !bm.Transposed
		a, bm = bm, a
	}
	m, k := a.shape()
	k2, n := bm.shape()
	if !c.valid() || !a.valid() || !bm.valid() || k != k2 || c.Rows != m || c.Cols != n ||
		a.Type != bm.Type || c.Type != a.Type && c.Type != F32 {
		return mismatch(c, a, bm)
	}
	if m == 0 || n == 0 {
		return nil
	}
	mode := C.int(C.CUBLAS_COMPUTE_32F)
	if compute == TF32 && a.Type == F32 {
		mode = C.CUBLAS_COMPUTE_32F_FAST_TF32
	}
	// cuBLAS is column-major: what lies in memory as a row-major matrix is its transpose there, with the same stride.
	// So the column-major product c' = b'*a' is asked for, and the flags mean what they mean for rows.
	return failure(cuBLAS, C.rl_gemm(b.handle, operation(bm), operation(a), C.int(n), C.int(m), C.int(k), C.float(alpha),
		C.uintptr_t(bm.Ptr), dataType(bm.Type), C.int(bm.Stride), C.uintptr_t(a.Ptr), dataType(a.Type), C.int(a.Stride),
		C.float(beta), C.uintptr_t(c.Ptr), dataType(c.Type), C.int(c.Stride), mode))
}

// mismatch is kept out of Gemm so that its arguments need not escape.
func mismatch(c, a, b Matrix) error {
	return fmt.Errorf("libs: no product of %+v and %+v fits into %+v", a, b, c)
}

func operation(m Matrix) C.int {
	if m.Transposed {
		return C.CUBLAS_OP_T
	}
	return C.CUBLAS_OP_N
}

func dataType(t Type) C.int {
	if t == BF16 {
		return C.CUDA_R_16BF
	}
	return C.CUDA_R_32F
}
