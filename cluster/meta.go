package cluster

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/hashicorp/memberlist"

	"ringloom/internal/printable"
)

// protocolVersion is that of the metadata and the frames.
const protocolVersion = 3

// meta is what a node gossips about itself, as JSON of at most 512 bytes. The digest itself does not fit: its hash is
// here, and the digest travels in a refusal when the hashes differ.
type meta struct {
	Version  int    `json:"v"`
	PID      int    `json:"p"`
	NATS     string `json:"n,omitempty"`
	Device   string `json:"d,omitempty"`
	Hardware string `json:"w,omitempty"`
	Birth    int64  `json:"b"` // nanoseconds since 1970
	Machine  string `json:"m,omitempty"`
	Joiner   bool   `json:"j,omitempty"`
	Hash     string `json:"h"`
	Key      []byte `json:"e"` // as base64, as are those that follow
	// Public and Signature, over the identifier, the address and the rest of the metadata, show that the node itself
	// says all this.
	Public    []byte `json:"k"`
	Signature []byte `json:"s,omitempty"`
}

func encodeMeta(m Member, who identity) ([]byte, error) {
	data := meta{
		Version: protocolVersion, PID: m.PID, NATS: m.NATSAddr, Device: m.Device, Hardware: m.Hardware, Birth: m.Birth.UnixNano(), Hash: m.Hash, Machine: m.Machine, Joiner: m.Joiner,
		Key: m.Key, Public: who.public,
	}
	b, err := json.Marshal(data)
	if err == nil {
		data.Signature = who.sign(signedMember, m.ID, m.Addr, string(b))
		b, err = json.Marshal(data)
	}
	if err != nil {
		return nil, fmt.Errorf("cluster: metadata: %w", err)
	}
	if len(b) > memberlist.MetaMaxSize {
		return nil, fmt.Errorf("cluster: the metadata takes %d bytes of at most %d: shorten the NATS address (%d bytes), the device name (%d bytes) or its hardware (%d bytes)",
			len(b), memberlist.MetaMaxSize, len(m.NATSAddr), len(m.Device), len(m.Hardware))
	}
	return b, nil
}

// decodeMember reads a member from what memberlist knows of a node, and checks that the node itself said it. What is
// shown to people is printable.
func decodeMember(n *memberlist.Node) (Member, error) {
	fail := func(err error) (Member, error) {
		return Member{}, fmt.Errorf("cluster: %s at %s gossips, but is no ringloom node: %w", printable.Text(n.Name), n.Address(), err)
	}
	var m meta
	if err := json.Unmarshal(n.Meta, &m); err != nil {
		return fail(err)
	}
	if m.Version != protocolVersion {
		return Member{}, fmt.Errorf("cluster: %s at %s speaks version %d of the protocol, this node version %d", printable.Text(n.Name), n.Address(), m.Version, protocolVersion)
	}
	if err := validID(n.Name); err != nil {
		return fail(err)
	}
	signature := m.Signature
	m.Signature = nil
	b, err := json.Marshal(m)
	if err != nil {
		return fail(err)
	}
	if err := verify(n.Name, m.Public, signature, signedMember, n.Name, n.Address(), string(b)); err != nil {
		return fail(err)
	}
	return Member{
		ID: n.Name, Name: nameOf(n.Name), PID: m.PID, Addr: n.Address(), NATSAddr: printable.Text(m.NATS), Device: printable.Text(m.Device),
		Hardware: printable.Text(m.Hardware), Birth: time.Unix(0, m.Birth), Hash: printable.Text(m.Hash), Key: m.Key,
		Machine: printable.Text(m.Machine), Joiner: m.Joiner,
	}, nil
}
