package cluster

// inbox makes the messages of each sender come in order and once. A sender keeps resending its oldest message until it
// is acknowledged, so a message that arrives too early can be dropped.
type inbox struct {
	last map[string]delivered // by sender: the last message delivered
}

// delivered numbers a message of a sender: its epoch begins when the sender had given this node up and takes it up again.
type delivered struct{ epoch, seq uint64 }

// offer says whether a message is to be delivered now, and whether it is to be acknowledged.
func (b *inbox) offer(from string, epoch, seq uint64) (deliver, ack bool) {
	last := b.last[from]
	if epoch > last.epoch {
		last = delivered{epoch: epoch}
	}
	switch {
	case epoch < last.epoch:
		return false, false // of a courier that is no more
	case seq == last.seq+1:
		if b.last == nil {
			b.last = map[string]delivered{}
		}
		b.last[from] = delivered{epoch, seq}
		return true, true
	case seq <= last.seq:
		return false, true // the acknowledgement was lost
	default:
		return false, false
	}
}
