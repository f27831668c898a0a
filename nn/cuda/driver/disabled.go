//go:build !gpu || !cgo

package driver

import "errors"

// ErrNotBuilt says that the binary was built without CUDA, and how to build it.
var ErrNotBuilt = errors.New("this binary was built without CUDA: make build-cuda")

// Load returns ErrNotBuilt.
func Load() error { return ErrNotBuilt }

// Devices returns ErrNotBuilt.
func Devices() ([]Info, error) { return nil, ErrNotBuilt }

// FreeMemory returns ErrNotBuilt.
func FreeMemory(int) (int64, error) { return 0, ErrNotBuilt }
