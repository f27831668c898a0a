//go:build !gpu || !cgo

package driver

import (
	"errors"
	"testing"
)

func TestNotBuilt(t *testing.T) {
	if err := Load(); !errors.Is(err, ErrNotBuilt) {
		t.Errorf("Load: %v", err)
	}
	if _, err := Devices(); !errors.Is(err, ErrNotBuilt) {
		t.Errorf("Devices: %v", err)
	}
	if _, err := FreeMemory(0); !errors.Is(err, ErrNotBuilt) {
		t.Errorf("FreeMemory: %v", err)
	}
}
