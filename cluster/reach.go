package cluster

import (
	"fmt"
	"net"
	"time"
)

// Nodes that find each other may still not reach each other: one tells the others an address that is every machine's
// own, or that only its own network knows, or a firewall passes one direction. That is found out here, so that the
// message names who cannot reach whom.

const (
	// stuckAfter is how long a view may take once all members are there, before those that are waited for are asked.
	stuckAfter    = 3 * time.Second
	probeTimeout  = 2 * time.Second
	probeInterval = 3 * time.Second
)

// Unreached is a member that this node cannot reach at the address that the member tells.
type Unreached struct {
	Member Member
	Err    error
}

// ownAddresses are those of this machine's interfaces, nil if the system does not say.
func ownAddresses() map[string]bool {
	all, err := net.InterfaceAddrs()
	if err != nil {
		return nil
	}
	here := map[string]bool{}
	for _, a := range all {
		if n, ok := a.(*net.IPNet); ok {
			here[n.IP.String()] = true
		}
	}
	return here
}

func isLoopback(addr string) bool {
	host, _, err := net.SplitHostPort(addr)
	return err == nil && net.ParseIP(host).IsLoopback()
}

// elsewhere says whether an IP address is certainly not this machine's.
func (c *core) elsewhere(ip string) bool {
	parsed := net.ParseIP(ip)
	return c.here != nil && parsed != nil && !parsed.IsLoopback() && !parsed.IsUnspecified() && !c.here[parsed.String()]
}

// joining: an address to join stands for these IP addresses.
func (c *core) joining(addr string, ips []string) {
	for _, ip := range ips {
		if c.elsewhere(ip) {
			c.refuseLoopback(fmt.Sprintf("it is to join %s", addr))
		}
	}
}

// metRemotely: a member has an address; if it is on another machine, this node must be reachable from there.
func (c *core) metRemotely(m Member) {
	if host, _, err := net.SplitHostPort(m.Addr); err == nil && c.elsewhere(host) {
		c.refuseLoopback(fmt.Sprintf("node %s is at %s", m.Name, m.Addr))
	}
}

func (c *core) refuseLoopback(because string) {
	if isLoopback(c.self.Addr) {
		c.failWith(&LoopbackError{Addr: c.self.Addr, Because: because})
	}
}

// stuck lists whom this node waits for, although all members are there: the one that leads, or at that one the others.
func (c *core) stuck(now time.Time) []Member {
	members := c.eligible()
	if c.phase != forming || c.joinsOthers() || len(members) < c.size {
		c.complete = time.Time{}
		return nil
	}
	if c.complete.IsZero() {
		c.complete = now
	}
	if now.Sub(c.complete) < stuckAfter {
		return nil
	}
	members = members[:c.size]
	if members[0].ID != c.self.ID {
		return members[:1]
	}
	var missing []Member
	for _, m := range members[1:] {
		if c.proposed == nil || !c.proposed.accepts[m.ID] {
			missing = append(missing, m)
		}
	}
	return missing
}

// reached: a member was asked at its address; nil means that it answered.
func (c *core) reached(m Member, err error) {
	i := 0
	for i < len(c.unreached) && c.unreached[i].Member.ID != m.ID {
		i++
	}
	switch {
	case err != nil && i == len(c.unreached):
		c.unreached = append(c.unreached, Unreached{m, err})
	case err != nil:
		c.unreached[i].Err = err
	case i < len(c.unreached):
		c.unreached = append(c.unreached[:i:i], c.unreached[i+1:]...)
	}
}

// probe asks those that this node waits for whether they can be reached.
func (n *Node) probe(now time.Time) {
	if n.probing {
		return
	}
	waited := n.core.stuck(now)
	if len(waited) == 0 {
		return
	}
	n.probing = true
	for i, m := range waited {
		last := i == len(waited)-1
		n.spawn(func() {
			err := n.answers(m, probeTimeout)
			n.mail.post(func() { n.core.reached(m, err) })
			if !last {
				return
			}
			select { // the next round
			case <-n.ctx.Done():
			case <-time.After(probeInterval):
			}
			n.mail.post(func() { n.probing = false })
		})
	}
}

// answers connects to a member and says why that was not possible. It blocks for the time-out at most.
func (n *Node) answers(m Member, timeout time.Duration) error {
	conn, id, err := n.net.dial(m.Addr, timeout)
	if err != nil {
		return joinError(err, n.net.refusal(m.Addr))
	}
	_ = conn.Close()
	if id != m.ID {
		return fmt.Errorf("another node answers there, %s", nameOf(id))
	}
	return nil
}
