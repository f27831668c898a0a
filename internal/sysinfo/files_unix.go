//go:build unix

package sysinfo

import (
	"math"
	"syscall"
)

// OpenFiles is how many files this process may have open (RLIMIT_NOFILE), sockets among them; 0 if that is not known or
// not limited. Go raises the soft limit to the hard one when a program starts.
func OpenFiles() int {
	var l syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l); err != nil || l.Cur > math.MaxInt32 {
		return 0
	}
	return int(l.Cur)
}
