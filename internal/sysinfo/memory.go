package sysinfo

// AvailableMemory is how many bytes this machine can give to new work, as Linux estimates it; 0 where it is not known.
func AvailableMemory() int64 {
	bytes, known := Bytes("/proc/meminfo", "MemAvailable:")
	if !known {
		return 0
	}
	return bytes
}
