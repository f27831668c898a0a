//go:build !onednn || !cgo

package onednn

import (
	"errors"
	"testing"
)

func TestNotBuilt(t *testing.T) {
	if _, err := New(Options{}); !errors.Is(err, ErrNotBuilt) {
		t.Errorf("New: %v", err)
	}
	if err := Available(); !errors.Is(err, ErrNotBuilt) {
		t.Errorf("Available: %v", err)
	}
}
