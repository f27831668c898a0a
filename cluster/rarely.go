package cluster

import (
	"sync"
	"time"
)

// rarely lets something through at most once an interval, such as a line about what a peer sends wrong.
type rarely struct {
	interval time.Duration

	mu   sync.Mutex
	next time.Time // guarded by mu
}

func (r *rarely) allow(now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if now.Before(r.next) {
		return false
	}
	r.next = now.Add(r.interval)
	return true
}
