package natsring

import (
	"errors"
	"strings"
	"testing"

	"ringloom/allreduce"
)

// hanging is a connection whose other end does not read: publish returns when it is closed.
type hanging struct {
	mute
	hangs, closed chan struct{}
}

func (h *hanging) publish(string, string, []byte) error {
	h.hangs <- struct{}{}
	<-h.closed
	return errClosed
}

func (h *hanging) close() { close(h.closed) }

// Credits keep the queue to a neighbour from filling; a group that ignored them would be told, not held up.
func TestAFullQueueIsAnErrorAndDoesNotWait(t *testing.T) {
	ring := allreduce.DefaultConfig()
	ring.Job, ring.WorldSize = "test", 2
	conn := &hanging{hangs: make(chan struct{}, 1), closed: make(chan struct{})}
	tr := &Transport{cfg: DefaultConfig(ring), pool: allreduce.NewFramePool(ring.FrameBytes(), 4), done: make(chan struct{}), broken: make(chan error, 1)}
	l := newLink(tr, allreduce.Next)
	l.conn = conn
	go l.run()
	frame := make([]byte, smallBytes+1)
	if err := l.send(frame); err != nil {
		t.Fatal(err)
	}
	<-conn.hangs // the goroutine has taken it
	for i := range cap(l.queue) {
		if err := l.send(frame); err != nil {
			t.Fatalf("frame %d: %v", i, err)
		}
	}
	for range 2 {
		if err := l.send(frame); !errors.Is(err, allreduce.ErrSlowConsumer) || !strings.Contains(err.Error(), "rank 1") {
			t.Errorf("got %v", err)
		}
	}
	close(tr.done)
	go func() { // what is queued fails at once
		for range cap(l.queue) {
			<-conn.hangs
		}
	}()
	l.close()
}
