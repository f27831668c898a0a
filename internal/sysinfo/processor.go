package sysinfo

import (
	"bufio"
	"os"
	"runtime"
	"strings"
)

// Processor is the processor's name as Linux tells it, elsewhere the architecture's.
func Processor() string {
	if f, err := os.Open("/proc/cpuinfo"); err == nil {
		defer f.Close()
		for lines := bufio.NewScanner(f); lines.Scan(); {
			if name, value, _ := strings.Cut(lines.Text(), ":"); strings.TrimSpace(name) == "model name" {
				return strings.Join(strings.Fields(value), " ")
			}
		}
	}
	return runtime.GOARCH
}
