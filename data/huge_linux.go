package data

import "golang.org/x/sys/unix"

// inHugePages asks for 2 MiB pages under a fresh buffer, which starts on a page boundary as all of Go's large ones do.
// In a virtual machine the first use of small pages can take several times as long as reading the data set. A refusal
// costs nothing but speed.
func inHugePages(buffer []byte) {
	if len(buffer) >= 2<<20 {
		unix.Madvise(buffer, unix.MADV_HUGEPAGE)
	}
}
