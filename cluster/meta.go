package cluster

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/hashicorp/memberlist"
)

// protocolVersion is that of the metadata and the frames.
const protocolVersion = 2

// meta is what a node gossips about itself, as JSON of at most 512 bytes. The digest itself does not fit: its hash is
// here, and the digest travels in a refusal when the hashes differ.
type meta struct {
	Version  int    `json:"v"`
	PID      int    `json:"p"`
	NATS     string `json:"n,omitempty"`
	Device   string `json:"d,omitempty"`
	Hardware string `json:"w,omitempty"`
	Birth    int64  `json:"b"` // nanoseconds since 1970
	Hash     string `json:"h"`
	Key      []byte `json:"k"` // as base64
}

func encodeMeta(m Member) ([]byte, error) {
	b, err := json.Marshal(meta{protocolVersion, m.PID, m.NATSAddr, m.Device, m.Hardware, m.Birth.UnixNano(), m.Hash, m.Key})
	if err != nil {
		return nil, fmt.Errorf("cluster: metadata: %w", err)
	}
	if len(b) > memberlist.MetaMaxSize {
		return nil, fmt.Errorf("cluster: the metadata takes %d bytes of at most %d: shorten the NATS address (%d bytes), the device name (%d bytes) or its hardware (%d bytes)",
			len(b), memberlist.MetaMaxSize, len(m.NATSAddr), len(m.Device), len(m.Hardware))
	}
	return b, nil
}

// decodeMember reads a member from what memberlist knows of a node.
func decodeMember(n *memberlist.Node) (Member, error) {
	var m meta
	if err := json.Unmarshal(n.Meta, &m); err != nil {
		return Member{}, fmt.Errorf("cluster: %s at %s gossips, but is no ringloom node: %w", n.Name, n.Address(), err)
	}
	if m.Version != protocolVersion {
		return Member{}, fmt.Errorf("cluster: %s at %s speaks version %d of the protocol, this node version %d", n.Name, n.Address(), m.Version, protocolVersion)
	}
	if incarnation(nameOf(n.Name), m.Key) != n.Name {
		return Member{}, fmt.Errorf("cluster: the public key that is gossiped for %s at %s is not that node's", n.Name, n.Address())
	}
	return Member{
		ID: n.Name, Name: nameOf(n.Name), PID: m.PID, Addr: n.Address(), NATSAddr: m.NATS, Device: m.Device, Hardware: m.Hardware,
		Birth: time.Unix(0, m.Birth), Hash: m.Hash, Key: m.Key,
	}, nil
}
