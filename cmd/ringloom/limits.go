package main

import (
	"fmt"

	"ringloom/internal/sysinfo"
	"ringloom/report"
)

const (
	// ranksPerCore is how many ranks a core takes at most: 64 on two form within a minute, and many more not within --join-timeout.
	ranksPerCore = 64
	// rankBytes is what a process takes before it has a model: Go, NATS and the libraries.
	rankBytes = 32 << 20
	// goTasks is how many threads a process of Go, with NATS and gossip, has beside those that compute.
	goTasks = 8
)

// checkRanksHere refuses more ranks than this machine, or container, can have. flag is the one that gives their number; processes says
// that each is one.
func checkRanksHere(flag string, ranks int, processes bool) error {
	cores := sysinfo.Cores()
	if most := ranksPerCore * cores; ranks > most {
		return fmt.Errorf("%s %d: this machine gives %d cores, which take %d ranks at most", flag, ranks, cores, most)
	}
	if there := sysinfo.AvailableMemory(); processes && there > 0 && int64(ranks)*rankBytes > there {
		return fmt.Errorf("%s %d: so many processes need %s of memory before they do anything, and %s are free",
			flag, ranks, report.Bytes(int64(ranks)*rankBytes), report.Bytes(there))
	}
	return nil
}

// checkTasks refuses to start ranks where the system would not give them their threads: Go's runtime dies where it gets none. No ranks
// are this process alone.
func checkTasks(ranks, threads int) error {
	spare, limit, known := sysinfo.SpareTasks()
	need := int64(ranks*(goTasks+threads) + ranks)
	if ranks == 0 {
		need = int64(threads)
	}
	if !known || need <= spare {
		return nil
	}
	return fmt.Errorf("this container may have %d processes and threads, %d more than there are, and about %d are needed: raise pids.max (docker run --pids-limit), or start fewer ranks of fewer threads",
		limit, spare, need)
}
