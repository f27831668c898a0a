package allreduce

import "sync/atomic"

// Stats counts what a group has moved since it was made. Bytes include frame headers and exclude what the transport
// adds.
type Stats struct {
	BytesSent, FramesSent         uint64
	BytesReceived, FramesReceived uint64
	Collectives                   uint64 // finished on this rank; one that is divided among rings counts once for each
	CreditStalls                  uint64 // times that sending had to wait for the next rank to consume
	Ignored                       uint64 // frames of another view
}

type counters struct {
	bytesSent, framesSent, bytesReceived, framesReceived, collectives, creditStalls, ignored atomic.Uint64
}

func (c *counters) addTo(s *Stats) {
	s.BytesSent += c.bytesSent.Load()
	s.FramesSent += c.framesSent.Load()
	s.BytesReceived += c.bytesReceived.Load()
	s.FramesReceived += c.framesReceived.Load()
	s.Collectives += c.collectives.Load()
	s.CreditStalls += c.creditStalls.Load()
	s.Ignored += c.ignored.Load()
}
