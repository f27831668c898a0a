package cluster

import (
	"time"

	"golang.org/x/sys/unix"
)

// sinceBoot counts the time for which the machine was suspended too, as Go's clock does not.
func sinceBoot() time.Duration {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &t); err != nil {
		return 0
	}
	return time.Duration(t.Nano())
}
