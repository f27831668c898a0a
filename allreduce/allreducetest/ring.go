package allreducetest

import (
	"ringloom/allreduce"
	"ringloom/allreduce/memring"
)

// Transport is one rank's end of an in-memory ring, whose outgoing frames may suffer faults.
type Transport struct {
	*memring.Transport
	wires [2]*faultyWire // by allreduce.Peer; nil where no fault is injected
}

// NewRing makes the transports of a ring, by rank. cfg gives the sizes of frames and window; its Rank is ignored.
// number tells the rings of a group apart, so that each has faults of its own.
func NewRing(cfg allreduce.Config, number int, faults Faults) []*Transport {
	ring := make([]*Transport, cfg.WorldSize)
	for r, t := range memring.New(cfg) {
		ring[r] = &Transport{Transport: t}
		if !faults.any() || faults.Rank >= 0 && faults.Rank != r {
			continue
		}
		for to := range ring[r].wires {
			if peer := allreduce.Peer(to); peer == allreduce.Next || faults.Back {
				ring[r].wires[to] = newFaultyWire(t, peer, faults, uint64((number*cfg.WorldSize+r)*2+to))
			}
		}
	}
	return ring
}

// Send delivers a frame, or mistreats it.
func (t *Transport) Send(to allreduce.Peer, frame []byte) error {
	if w := t.wires[to]; w != nil {
		return w.send(frame)
	}
	return t.Transport.Send(to, frame)
}
