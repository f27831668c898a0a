package cluster

// inbox makes the messages of each sender come in order and once. A sender keeps resending its oldest message until it
// is acknowledged, so a message that arrives too early can be dropped.
type inbox struct {
	last map[string]uint64 // by sender: the last message delivered
}

// offer says whether a message is to be delivered now, and whether it is to be acknowledged.
func (b *inbox) offer(from string, seq uint64) (deliver, ack bool) {
	switch last := b.last[from]; {
	case seq == last+1:
		if b.last == nil {
			b.last = map[string]uint64{}
		}
		b.last[from] = seq
		return true, true
	case seq <= last:
		return false, true // the acknowledgement was lost
	default:
		return false, false
	}
}
