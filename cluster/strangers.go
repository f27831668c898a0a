package cluster

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	// maxStrangers bounds the hosts that are remembered, and so what a sender of forged addresses can make this node
	// keep and print.
	maxStrangers = 8
	// strangerSummary is how often one line tells of all of them.
	strangerSummary = time.Minute
)

// strangers counts what comes from nodes that have another gossip key, in bounded memory and in constant time a packet.
// Whoever sends is not known, so a host is only where something says that it comes from.
type strangers struct {
	first func(host string) // called for each of the first maxStrangers hosts

	mu    sync.Mutex
	hosts map[netip.Addr]bool // guarded by mu; the first maxStrangers
	count int                 // guarded by mu; since the last summary
	more  bool                // guarded by mu; there were further hosts
	next  time.Time           // guarded by mu; of the summary
}

func newStrangers(first func(host string)) *strangers {
	return &strangers{first: first, hosts: map[netip.Addr]bool{}}
}

func (s *strangers) note(host netip.Addr) {
	s.mu.Lock()
	s.count++
	known := s.hosts[host]
	if !known && len(s.hosts) >= maxStrangers {
		s.more = true
		known = true
	}
	if !known {
		s.hosts[host] = true
	}
	s.mu.Unlock()
	if !known {
		s.first(host.String())
	}
}

// summary is one line about what came since the last, at most once a strangerSummary; else it is empty. The first
// strangers get it at once.
func (s *strangers) summary(now time.Time, g *gate) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if now.Before(s.next) {
		return ""
	}
	displaced, silent := g.turnedAway()
	var parts []string
	if s.count > 0 {
		from := make([]string, 0, len(s.hosts))
		for h := range s.hosts {
			from = append(from, h.String())
		}
		slices.Sort(from)
		others := ""
		if s.more {
			others = " and others"
		}
		parts = append(parts, fmt.Sprintf("turned away %d packets and connections whose gossip key or job differs from this node's, from %s%s",
			s.count, strings.Join(from, ", "), others))
	}
	if silent+displaced > 0 {
		parts = append(parts, fmt.Sprintf("closed %d connections to the gossip port that did not show the key", silent+displaced))
	}
	if len(parts) == 0 {
		return ""
	}
	s.count, s.more, s.next = 0, false, now.Add(strangerSummary)
	clear(s.hosts)
	return strings.Join(parts, "; ")
}
