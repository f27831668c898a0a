package main

import "ringloom/procfs"

// availableMemory is how many bytes this machine can give to new work, as Linux estimates it; 0 where it is not known.
func availableMemory() int64 {
	bytes, known := procfs.Bytes("/proc/meminfo", "MemAvailable:")
	if !known {
		return 0
	}
	return bytes
}
