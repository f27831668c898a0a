package allreducetest

import (
	"ringloom/allreduce"
	"ringloom/allreduce/memring"
)

// Transport is one rank's end of an in-memory ring, whose outgoing data frames may suffer faults.
type Transport struct {
	*memring.Transport
	wire *faultyWire // nil when no fault is injected
}

// NewRing makes the transports of a ring, by rank. cfg gives the size of frames and window; its Rank is not looked at.
func NewRing(cfg allreduce.Config, faults Faults) []*Transport {
	ring := make([]*Transport, cfg.Size)
	for r, t := range memring.New(cfg) {
		ring[r] = &Transport{Transport: t}
		if faults.any() && (faults.Rank < 0 || faults.Rank == r) {
			ring[r].wire = newFaultyWire(t, faults, uint64(r))
		}
	}
	return ring
}

// Send delivers a frame, or mistreats it.
func (t *Transport) Send(to allreduce.Peer, frame []byte) error {
	if t.wire != nil && to == allreduce.Next {
		return t.wire.send(frame)
	}
	return t.Transport.Send(to, frame)
}
