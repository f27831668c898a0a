package launch

import (
	"bytes"
	"strings"
)

// crashCode is the code with which Go's runtime ends a process that crashes. It means something else where a process ends by itself, so
// it takes both, the code and the line, to know a crash.
const crashCode = 2

// How Go's runtime begins to tell of a crash, on standard error.
var crashes = []string{"panic: ", "fatal error: ", "runtime: ", "runtime/cgo: ", "SIGABRT: abort", "SIGSEGV: ", "SIGBUS: ", "SIGILL: "}

// crashWatch looks through what a process writes for the beginning of a crash.
type crashWatch struct {
	first   string // the line
	threads bool   // the process got no more threads: the state of those that it has tells nothing, and is long
}

// passes takes a line, and says whether people should see it.
func (w *crashWatch) passes(line []byte) bool {
	if w.first != "" {
		return !w.threads
	}
	for _, begin := range crashes {
		if bytes.HasPrefix(line, []byte(begin)) {
			w.first = strings.TrimSpace(string(line))
			w.threads = strings.Contains(w.first, "new OS thread") || strings.Contains(w.first, "pthread_create failed")
		}
	}
	return true
}
