package cluster

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"ringloom/internal/printable"
)

// maxNameBytes bounds a node's name.
const maxNameBytes = 64

// Member is one incarnation of a node: a process that was started once. A restarted process is another member.
type Member struct {
	// ID is unique to the incarnation: the name, "~" and 24 hexadecimal digits, the hash of a key that only this process
	// can sign with.
	ID string `json:"id"`
	// Name is what people call the node; two members may share it.
	Name string `json:"name"`
	PID  int    `json:"pid"`
	// Addr is the host:port of its gossip, for both TCP and UDP.
	Addr string `json:"addr"`
	// NATSAddr is where its NATS server listens, as its Config gave it.
	NATSAddr string `json:"nats,omitempty"`
	// Device is what it computes on, as its Config gave it.
	Device string `json:"device,omitempty"`
	// Hardware is what Device is exactly, as its Config gave it.
	Hardware string `json:"hardware,omitempty"`
	// Birth orders the members: the oldest is rank 0 and leads.
	Birth time.Time `json:"birth"`
	// Hash is that of its digest; members of one view have the same.
	Hash string `json:"hash"`
	// Key is the public key (X25519) of the incarnation, for secrets of two members; see [Node.Secret].
	Key []byte `json:"key"`
	// Machine names its machine and its process numbers' namespace: where two members have the same, each can see whether
	// the other's process has ended. Empty where the system does not say.
	Machine string `json:"machine,omitempty"`
	// Joiner says that it only joins a running job.
	Joiner bool `json:"joiner,omitempty"`
}

// String is "worker-1, pid 123, 127.0.0.1:4001".
func (m Member) String() string { return fmt.Sprintf("%s, pid %d, %s", m.Name, m.PID, m.Addr) }

// printable is a member as another one tells of it, made safe to show.
func (m Member) printable() Member {
	for _, s := range []*string{&m.Name, &m.Addr, &m.NATSAddr, &m.Device, &m.Hardware, &m.Hash, &m.Machine} {
		*s = printable.Text(*s)
	}
	return m
}

// older orders members by birth, then by identifier.
func (m Member) older(o Member) bool { return compareMembers(m, o) < 0 }

func compareMembers(a, b Member) int {
	if c := a.Birth.Compare(b.Birth); c != 0 {
		return c
	}
	return strings.Compare(a.ID, b.ID)
}

func indexOf(members []Member, id string) int {
	return slices.IndexFunc(members, func(m Member) bool { return m.ID == id })
}

// sameMembers reports whether both list the same incarnations in the same order.
func sameMembers(a, b []Member) bool {
	return slices.EqualFunc(a, b, func(x, y Member) bool { return x.ID == y.ID })
}

// nameOf is the name in an identifier.
func nameOf(id string) string {
	name, _, _ := cutLast(id, "~")
	return name
}

// validID refuses identifiers that this version does not make, such as those that a terminal would obey.
func validID(id string) error {
	name, _, found := cutLast(id, "~")
	if !found || len(id) > maxIDBytes || validName(name) != nil {
		return fmt.Errorf("%.100q is not the identifier of a node", id)
	}
	return nil
}

// validName is how messages may call a node.
func validName(name string) error {
	if len(name) > maxNameBytes || strings.ContainsAny(name, " ~") || printable.Text(name) != name {
		return fmt.Errorf("node name %.100q: at most %d printable bytes without spaces or ~", name, maxNameBytes)
	}
	return nil
}
