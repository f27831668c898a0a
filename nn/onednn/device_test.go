//go:build onednn

package onednn

import (
	"testing"

	"ringloom/nn"
	"ringloom/nn/nntest"
)

func TestConformance(t *testing.T) {
	nntest.Run(t, func(t testing.TB) nn.Device {
		d, err := New(Options{Threads: 1})
		if err != nil {
			t.Fatal(err)
		}
		return d
	})
}
