package cluster

import "sync"

// mailbox carries work to the goroutine that owns a node's state. Posting never blocks, because memberlist holds locks
// while it calls its delegates.
type mailbox struct {
	signal chan struct{} // has a token when there may be something to take

	mu     sync.Mutex
	closed bool     // guarded by mu
	queue  []func() // guarded by mu
}

func newMailbox() *mailbox { return &mailbox{signal: make(chan struct{}, 1)} }

// post queues f; false if the mailbox is closed and f will never run.
func (b *mailbox) post(f func()) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return false
	}
	b.queue = append(b.queue, f)
	select {
	case b.signal <- struct{}{}:
	default:
	}
	return true
}

func (b *mailbox) take() []func() {
	b.mu.Lock()
	defer b.mu.Unlock()
	q := b.queue
	b.queue = nil
	return q
}

func (b *mailbox) close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed, b.queue = true, nil
}
