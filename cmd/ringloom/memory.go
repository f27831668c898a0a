package main

import "ringloom/internal/sysinfo"

// availableMemory is how many bytes this machine can give to new work, as Linux estimates it; 0 where it is not known.
func availableMemory() int64 {
	bytes, known := sysinfo.Bytes("/proc/meminfo", "MemAvailable:")
	if !known {
		return 0
	}
	return bytes
}
