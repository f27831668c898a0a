package allreduce

import "sync/atomic"

// Stats counts what a group has moved since it was made. Bytes include frame headers and exclude what the transport adds.
type Stats struct {
	BytesSent, FramesSent         uint64
	BytesReceived, FramesReceived uint64
	Collectives                   uint64 // finished on this rank
	CreditStalls                  uint64 // times that sending had to wait for the next rank to consume
	Ignored                       uint64 // frames of another view
}

type counters struct {
	bytesSent, framesSent, bytesReceived, framesReceived, collectives, creditStalls, ignored atomic.Uint64
}

func (c *counters) snapshot() Stats {
	return Stats{
		BytesSent: c.bytesSent.Load(), FramesSent: c.framesSent.Load(),
		BytesReceived: c.bytesReceived.Load(), FramesReceived: c.framesReceived.Load(),
		Collectives: c.collectives.Load(), CreditStalls: c.creditStalls.Load(), Ignored: c.ignored.Load(),
	}
}
