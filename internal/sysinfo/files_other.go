//go:build !unix

package sysinfo

// OpenFiles is how many files this process may have open; 0 if that is not known.
func OpenFiles() int { return 0 }
