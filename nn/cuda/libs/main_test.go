//go:build gpu && cgo

package libs

import (
	"fmt"
	"os"
	"testing"

	"ringloom/internal/cudaemu"
)

func TestMain(m *testing.M) {
	if err := cudaemu.SetUp(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}
