//go:build !gpu || !cgo

package cuda

import (
	"errors"

	"ringloom/nn/op"
)

// Device is not in this binary.
type Device struct{ op.Accelerator }

var errDisabled = errors.New("this binary was built without CUDA: build it with make build-cuda")

// Available says why no GPU can be used.
func Available() error { return errDisabled }

// Count is the number of GPUs.
func Count() (int, error) { return 0, errDisabled }

// New fails: the binary was built without CUDA.
func New(Options) (*Device, error) { return nil, errDisabled }
