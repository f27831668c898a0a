//go:build gpu && cgo

package libs

import (
	"fmt"
	"os"
	"testing"

	"ringloom/nn/cuda/emulator"
)

func TestMain(m *testing.M) {
	if err := emulator.SetUp(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}
