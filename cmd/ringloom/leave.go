package main

import (
	"os"
	"sync"
	"syscall"
	"time"
)

// leaving is how this process leaves an elastic run.
var leaving leaveRequest

// leaveRequest makes the first SIGTERM a wish to leave, where something can grant it.
type leaveRequest struct {
	mu     sync.Mutex
	wish   chan struct{} // closed by the signal; nil where it is not armed
	within time.Duration
}

// arm has the next SIGTERM close the channel, and only a second one, or the passing of a time, interrupt the process.
func (l *leaveRequest) arm(within time.Duration) <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.wish, l.within = make(chan struct{}), within
	return l.wish
}

// first waits for the signal that interrupts the process.
func (l *leaveRequest) first(signals <-chan os.Signal) os.Signal {
	s := <-signals
	l.mu.Lock()
	wish, within := l.wish, l.within
	l.mu.Unlock()
	if s != syscall.SIGTERM || wish == nil {
		return s
	}
	close(wish)
	select {
	case s = <-signals:
	case <-time.After(within):
	}
	return s
}
