package cluster

import (
	"fmt"
	"sync"

	"github.com/hashicorp/memberlist"
)

// roll has the nodes that gossip knows, and bounds them: a job has hardly more than its ranks and some failed tries.
// Gossip says the same of a node again and again; its signature is checked once.
type roll struct {
	most int

	mu    sync.Mutex
	known map[string]entry // guarded by mu; by identifier
}

type entry struct {
	addr, meta string
	member     Member
}

// decode is decodeMember; it is an error where a node is one too many.
func (r *roll) decode(n *memberlist.Node) (Member, error) {
	addr := n.Address()
	r.mu.Lock()
	e, ok := r.known[n.Name]
	full := !ok && len(r.known) >= r.most
	r.mu.Unlock()
	if ok && e.addr == addr && e.meta == string(n.Meta) {
		return e.member, nil
	}
	if full {
		return Member{}, fmt.Errorf("cluster: there are %d nodes already", r.most)
	}
	m, err := decodeMember(n)
	if err != nil {
		return Member{}, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.known == nil {
		r.known = map[string]entry{}
	}
	r.known[n.Name] = entry{addr, string(n.Meta), m}
	return m, nil
}

// forget makes room.
func (r *roll) forget(id string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.known, id)
}

// addresses are those of all that are known.
func (r *roll) addresses() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := make([]string, 0, len(r.known))
	for _, e := range r.known {
		all = append(all, e.addr)
	}
	return all
}
