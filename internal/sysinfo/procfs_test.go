package sysinfo

import (
	"os"
	"path/filepath"
	"testing"
)

func TestBytesIsTheFieldInBytes(t *testing.T) {
	file := filepath.Join(t.TempDir(), "status")
	if err := os.WriteFile(file, []byte("Name:\tx\nVmPeak:\t 9 kB\nVmHWM:\t  12 kB\nBad:\tmuch kB\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if n, known := Bytes(file, "VmHWM:"); n != 12<<10 || !known {
		t.Errorf("%d, %v", n, known)
	}
	for _, field := range []string{"VmRSS:", "Bad:"} {
		if n, known := Bytes(file, field); known {
			t.Errorf("%s is %d", field, n)
		}
	}
	if _, known := Bytes(file+".none", "VmHWM:"); known {
		t.Error("a file that is not there has a field")
	}
}
