//go:build !onednn || !cgo

package onednn

import "ringloom/nn"

// New returns ErrNotBuilt: this build has no oneDNN.
func New(o Options) (nn.Device, error) {
	if _, err := o.threads(); err != nil {
		return nil, err
	}
	return nil, ErrNotBuilt
}

// Available returns ErrNotBuilt: this build has no oneDNN.
func Available() error { return ErrNotBuilt }
