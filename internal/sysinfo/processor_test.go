package sysinfo

import "testing"

func TestProcessorAndMemoryAreKnown(t *testing.T) {
	if Processor() == "" {
		t.Error("the processor has no name")
	}
	if _, known := Bytes("/proc/meminfo", "MemAvailable:"); known != (AvailableMemory() > 0) {
		t.Errorf("%d bytes available, and Linux tells it: %v", AvailableMemory(), known)
	}
}
