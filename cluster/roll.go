package cluster

import "sync"

// roll bounds the nodes that gossip knows at the same time: a job has hardly more than its ranks and some failed tries.
type roll struct {
	most int

	mu    sync.Mutex
	known map[string]bool // guarded by mu
}

// full says that a node is one too many, and else keeps it.
func (r *roll) full(id string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.known[id] {
		return false
	}
	if len(r.known) >= r.most {
		return true
	}
	if r.known == nil {
		r.known = map[string]bool{}
	}
	r.known[id] = true
	return false
}

// forget makes room.
func (r *roll) forget(id string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.known, id)
}
