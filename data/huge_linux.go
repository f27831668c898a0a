package data

import "golang.org/x/sys/unix"

// inHugePages asks for pages of 2 MiB under a fresh buffer, which begins on a page as all large ones of Go do. In a virtual machine the
// first use of small pages can take several times as long as reading the data set. A refusal costs speed only.
func inHugePages(buffer []byte) {
	if len(buffer) >= 2<<20 {
		unix.Madvise(buffer, unix.MADV_HUGEPAGE)
	}
}
