//go:build gpu && cgo

package driver

import (
	"regexp"
	"strings"
	"testing"
)

func TestDevices(t *testing.T) {
	c := open(t)
	infos, err := Devices()
	must(t, err)
	if len(infos) == 0 {
		t.Fatal("no device, but GPU 0 was opened")
	}
	for i, info := range infos {
		if info.Ordinal != i || info.Name == "" || info.MemoryBytes <= 0 || info.Major < 1 || info.Minor < 0 ||
			info.Multiprocessors < 1 || info.DriverVersion < 10000 {
			t.Errorf("implausible: %+v", info)
		}
		if !regexp.MustCompile(`^(GPU|MIG)-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`).MatchString(info.UUID) {
			t.Errorf("UUID %q is not as nvidia-smi prints it", info.UUID)
		}
	}
	if c.Info() != infos[0] {
		t.Errorf("the context's device is %+v, listed was %+v", c.Info(), infos[0])
	}
	free, err := FreeMemory(0)
	if err != nil || free <= 0 || free > infos[0].MemoryBytes {
		t.Errorf("%d bytes free of %d: %v", free, infos[0].MemoryBytes, err)
	}
	must(t, c.MakeCurrent()) // FreeMemory's Close left none
	for _, ordinal := range []int{-1, len(infos)} {
		if _, err := Open(ordinal); err == nil || !strings.Contains(err.Error(), "numbered from 0") {
			t.Errorf("Open(%d): %v", ordinal, err)
		}
	}
}

func TestCloseTwice(t *testing.T) {
	c := open(t)
	must(t, c.Close())
	must(t, c.Close())
}
