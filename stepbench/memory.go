package stepbench

import (
	"bufio"
	"os"
	"strconv"
	"strings"
)

// peakRSS is the largest resident memory of this process so far in bytes, as Linux tells it, or nil on other systems.
// Unlike getrusage's ru_maxrss it does not count what the parent held when it started this process.
func peakRSS() *int64 {
	f, err := os.Open("/proc/self/status")
	if err != nil {
		return nil
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		rest, found := strings.CutPrefix(lines.Text(), "VmHWM:")
		if !found {
			continue
		}
		kib, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(rest, "kB")), 10, 64)
		if err != nil {
			return nil
		}
		bytes := kib << 10
		return &bytes
	}
	return nil
}
