//go:build onednn && cgo

package onednn

// #include "kernel.h"
import "C"

import (
	"fmt"
	"unsafe"

	"ringloom/nn/op"
)

// kernel is a compiled operation: one C struct, one C call a run.
type kernel struct {
	spec     op.Spec
	c        *C.rl_kernel // nil after the device's Close
	dst, src []int        // operands' lengths
}

// Run computes dst from src. Errors wrap ErrOperand, ErrClosed or a Status.
func (k *kernel) Run(dst, src []op.Buffer) error {
	if k.c == nil {
		return ErrClosed
	}
	if err := k.check("dst", dst, k.dst); err != nil {
		return err
	}
	if err := k.check("src", src, k.src); err != nil {
		return err
	}
	var operands C.rl_operands
	for i := range dst {
		operands.dst[i] = pointer(dst[i])
	}
	for i := range src {
		operands.src[i] = pointer(src[i])
	}
	status := C.rl_run(k.c, operands)
	if status != C.RL_OK {
		return fmt.Errorf("oneDNN device: run %s %v: %w", k.spec.Kind(), k.spec, Status(status))
	}
	return nil
}

func (k *kernel) check(what string, operands []op.Buffer, lens []int) error {
	if len(operands) != len(lens) {
		return fmt.Errorf("oneDNN device: %s %v takes %d operands in %s, not %d: %w", k.spec.Kind(), k.spec, len(lens),
			what, len(operands), ErrOperand)
	}
	for i := range operands {
		if len(operands[i].Host) != lens[i] {
			return fmt.Errorf("oneDNN device: %s %v: %s[%d] has %d host elements, not %d: %w", k.spec.Kind(), k.spec,
				what, i, len(operands[i].Host), lens[i], ErrOperand)
		}
	}
	return nil
}

func pointer(b op.Buffer) *C.float { return (*C.float)(unsafe.Pointer(unsafe.SliceData(b.Host))) }

// impl names what runs: oneDNN's kernel, such as "jit:avx512_core", or this package's.
func (k *kernel) impl() string { return C.GoString(&k.c.impl[0]) }
