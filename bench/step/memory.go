package step

import "ringloom/internal/sysinfo"

// peakRSS is the largest resident memory of this process so far in bytes, as Linux tells it, or nil on other systems.
// Unlike getrusage's ru_maxrss it does not count what the parent held when it started this process.
func peakRSS() *int64 {
	bytes, known := sysinfo.Bytes("/proc/self/status", "VmHWM:")
	if !known {
		return nil
	}
	return &bytes
}
