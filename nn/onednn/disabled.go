//go:build !onednn || !cgo

package onednn

import "ringloom/nn/op"

// New returns ErrNotBuilt: this build has no oneDNN.
func New(o Options) (op.Device, error) {
	if _, err := o.threads(); err != nil {
		return nil, err
	}
	return nil, ErrNotBuilt
}

// Available returns ErrNotBuilt: this build has no oneDNN.
func Available() error { return ErrNotBuilt }
