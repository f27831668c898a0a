package cluster

import (
	"errors"
	"math/rand/v2"
	"sync"
	"testing"
	"time"
)

// A courier over a stream that fails to send, loses and repeats: everything arrives once, in order.
func TestCourierOrder(t *testing.T) {
	const count = 20
	rng := rand.New(rand.NewPCG(1, 2))
	var (
		mu  sync.Mutex
		box inbox
		got []uint64
		c   *courier
	)
	done := make(chan struct{})
	arrive := func(b []byte) {
		f, err := decodeFrame(b, 4)
		if err != nil {
			t.Error(err)
			return
		}
		deliver, ack := box.offer(f.From, f.Epoch, f.Seq)
		if deliver {
			got = append(got, f.Msg.Attempt)
		}
		if ack && rng.IntN(4) > 0 { // else the acknowledgement is lost
			if c.acked(f.Epoch, f.Seq) && len(got) == count {
				select {
				case <-done:
				default:
					close(done)
				}
			}
		}
	}
	c = newCourier("a~0", "b~0", 1, func(b []byte) error {
		mu.Lock()
		defer mu.Unlock()
		switch rng.IntN(5) {
		case 0:
			return errors.New("no route")
		case 1:
			return nil // lost
		case 2:
			arrive(b)
		}
		arrive(b)
		return nil
	})
	c.resend = time.Millisecond
	for i := range count {
		c.push(message{Kind: msgDone, Attempt: uint64(i)})
	}
	go c.run(t.Context())
	<-done
	mu.Lock()
	defer mu.Unlock()
	for i, a := range got {
		if a != uint64(i) {
			t.Fatalf("order %v", got)
		}
	}
}
