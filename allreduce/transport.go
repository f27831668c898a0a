package allreduce

// Peer is a direction in the ring. With two ranks both are the same rank, but stay separate links.
type Peer uint8

const (
	Prev Peer = iota // the rank before: data comes from it, credits go to it
	Next             // the rank after: data goes to it, credits come from it
)

func (p Peer) String() string {
	if p == Prev {
		return "previous"
	}
	return "next"
}

// Transport carries frames between this rank and its two neighbours. For each neighbour it delivers what that neighbour
// sent, in order, or reports the link as broken; it need not detect damage, loss or repetition, which the frames
// reveal. Methods may be called from several goroutines, except that Close comes last.
type Transport interface {
	// Buffer returns an empty slice with room for the next frame to a neighbour: Config.FrameBytes bytes to the next
	// rank, Config.ControlFrameBytes to the previous one. It belongs to the caller, who fills it and calls Send before
	// the next Buffer.
	Buffer(to Peer) []byte
	// Send hands the frame from Buffer over for delivery. It does not wait for the peer, and owns the frame from then
	// on, even if it fails. The group never has more than Config.WindowFrames data frames and as many credits, and two
	// frames more, in flight to a neighbour.
	Send(to Peer, frame []byte) error
	// Inbox is the channel on which deliveries arrive. It is the same channel every time and is never closed.
	Inbox() <-chan Delivery
	// Polls says whether deliveries may arrive through Poll rather than Inbox.
	Polls() bool
	// Poll returns a delivery that does not come through Inbox, if one is there. With sleep, if none is there, the next
	// one that comes is followed by an empty Delivery in Inbox. A transport without such deliveries returns false.
	Poll(sleep bool) (Delivery, bool)
	// Release gives a delivered frame back. Those of a neighbour are released in the order of their delivery, and a
	// data frame before the credit for it is sent.
	Release(frame []byte)
	// Describe says in a few words how frames travel, for people.
	Describe() string
	// Close passes on what was sent, waiting briefly, and ends the transport. No delivery follows.
	Close() error
}

// Sealer is a Transport that can find damage to frames itself, because it seals them with an authenticated cipher.
type Sealer interface {
	// Seals says whether frames to a neighbour are sealed. It does not change while the transport lives. Such frames
	// have no checksum, and are delivered as Delivery.Sealed.
	Seals(to Peer) bool
}

// Delivery is a frame from a neighbour, the news that its link has failed for good, or, without either, a hint to Poll.
type Delivery struct {
	From  Peer
	Frame []byte // owned by the receiver until Release
	// Sealed says that the frame was sealed by that neighbour, and opened since: it has no checksum.
	Sealed bool
	Err    error // ErrSlowConsumer, ErrTransport, ErrProtocol, or else taken for the loss of the neighbour
}

// FramePool keeps frame buffers for a Transport, so that nothing is allocated in the steady state. It is safe for
// concurrent use.
type FramePool struct {
	free       chan []byte
	frameBytes int
}

// NewFramePool makes a pool that keeps at most keep buffers of frameBytes each.
func NewFramePool(frameBytes, keep int) *FramePool {
	return &FramePool{free: make(chan []byte, keep), frameBytes: frameBytes}
}

// Get returns an empty buffer with room for a frame.
func (p *FramePool) Get() []byte {
	select {
	case b := <-p.free:
		return b[:0]
	default:
		return make([]byte, 0, p.frameBytes)
	}
}

// Put takes a buffer back; one of another capacity is left to the garbage collector.
func (p *FramePool) Put(b []byte) {
	if cap(b) < p.frameBytes {
		return
	}
	select {
	case p.free <- b:
	default:
	}
}
