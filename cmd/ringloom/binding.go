package main

import (
	"errors"
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
	case threads == 0 && to == bindToCore:
		return nil, errors.New("--bind-to core has no effect on ranks that wait instead of computing: leave it out")
	case threads == 0:
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
	bound := make([][]int, n)
	for rank := range bound {
		bound[rank] = cores[rank*len(cores)/n : (rank+1)*len(cores)/n]
	}
	return bound, nil
}
