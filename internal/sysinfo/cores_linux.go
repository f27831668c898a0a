package sysinfo

import (
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// AllowedCores are those on which this process may run.
func AllowedCores() ([]int, error) {
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(0, &set); err != nil {
		return nil, fmt.Errorf("asking for the cores of this process: %w", err)
	}
	var cores []int
	for c := 0; len(cores) < set.Count(); c++ {
		if set.IsSet(c) {
			cores = append(cores, c)
		}
	}
	return cores, nil
}

// BindThread keeps the calling thread, and the processes that it starts, on the given cores.
func BindThread(cores []int) error {
	var set unix.CPUSet
	for _, c := range cores {
		set.Set(c)
	}
	if err := unix.SchedSetaffinity(0, &set); err != nil {
		return fmt.Errorf("binding to cores %v: %w", cores, err)
	}
	return nil
}

// DelayTimers lets the timers of the calling thread, and of the processes that it starts, fire so much later.
func DelayTimers(slack time.Duration) error {
	if err := unix.Prctl(unix.PR_SET_TIMERSLACK, uintptr(slack.Nanoseconds()), 0, 0, 0); err != nil {
		return fmt.Errorf("letting timers fire later: %w", err)
	}
	return nil
}
