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
	// echoes is how long after the first SIGTERM further ones say the same: a rank gets several at once where its launcher passes on what a
	// service manager has sent to all processes, or is killed, for Linux then sends one whenever another of the launcher's threads has ended.
	echoes time.Duration
}

// launchedEchoes is for how long those come.
const launchedEchoes = time.Second

// arm has the next SIGTERM close the channel, and only a later one, or the passing of a time, interrupt the process.
func (l *leaveRequest) arm(within, echoes time.Duration) <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.wish, l.within, l.echoes = make(chan struct{}), within, echoes
	return l.wish
}

// first waits for the signal that interrupts the process.
func (l *leaveRequest) first(signals <-chan os.Signal) os.Signal {
	s := <-signals
	l.mu.Lock()
	wish, within, echoes := l.wish, l.within, time.Now().Add(l.echoes)
	l.mu.Unlock()
	if s != syscall.SIGTERM || wish == nil {
		return s
	}
	close(wish)
	late := time.After(within)
	for {
		select {
		case s := <-signals:
			if s != syscall.SIGTERM || !time.Now().Before(echoes) {
				return s
			}
		case <-late:
			return s
		}
	}
}
