package main

import (
	"fmt"
	"strings"
)

// Values of --bind-to, as mpirun has them.
const (
	bindToAuto = "auto"
	bindToCore = "core"
	bindToNone = "none"
)

const bindToHelp = "core (each process stays on cores of its own), none, or auto: core where the machine has them"

// binding is which cores each of n processes keeps to; nil where they are not bound.
func binding(to string, n, threads int) ([][]int, error) {
	switch to {
	case bindToNone:
		return nil, nil
	case bindToAuto, bindToCore:
	default:
		return nil, fmt.Errorf("--bind-to %q: choose one of %s", to, strings.Join([]string{bindToAuto, bindToCore, bindToNone}, ", "))
	}
	cores, err := allowedCores()
	switch {
	case threads == 0: // they wait instead of computing
		return nil, nil
	case err != nil && to == bindToAuto:
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("--bind-to core: %w", err)
	case n*threads <= len(cores):
	case to == bindToAuto:
		return nil, nil
	default:
		return nil, fmt.Errorf("--bind-to core: %d processes of %d threads need %d cores, this machine gives %d: start fewer, or choose none",
			n, threads, n*threads, len(cores))
	}
	each := len(cores) / n
	bound := make([][]int, n)
	for rank := range bound {
		bound[rank] = cores[rank*each : (rank+1)*each]
	}
	return bound, nil
}
