package launch

import (
	"errors"
	"fmt"
	"strings"

	"ringloom/internal/sysinfo"
)

// What processes are bound to, in mpirun's words.
const (
	BindAuto = "auto" // to cores of their own where the machine has them
	BindCore = "core" // to cores of their own
	BindNone = "none"
)

// Cores is which cores each of so many ranks keeps to, as one of the words above says; nil where they are not bound. threads are
// those that each rank computes with, 0 where it waits in place of computing. An error begins with the word at fault.
func Cores(to string, ranks, threads int) ([][]int, error) {
	switch to {
	case BindNone:
		return nil, nil
	case BindAuto, BindCore:
	default:
		return nil, fmt.Errorf("%q: choose one of %s", to, strings.Join([]string{BindAuto, BindCore, BindNone}, ", "))
	}
	cores, err := sysinfo.AllowedCores()
	switch {
	case threads == 0 && to == BindCore:
		return nil, errors.New("core has no effect on ranks that wait instead of computing: leave it out")
	case threads == 0:
		return nil, nil
	case err != nil && to == BindAuto:
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("core: %w", err)
	case ranks*threads <= len(cores):
	case to == BindAuto:
		return nil, nil
	default:
		return nil, fmt.Errorf("core: %d processes of %d threads need %d cores, this machine gives %d: start fewer, or choose none",
			ranks, threads, ranks*threads, len(cores))
	}
	bound := make([][]int, ranks)
	for rank := range bound {
		bound[rank] = cores[rank*len(cores)/ranks : (rank+1)*len(cores)/ranks]
	}
	return bound, nil
}
