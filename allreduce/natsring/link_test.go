package natsring

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

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
	tr := &Transport{cfg: DefaultConfig(ring), own: &mute{}, greeted: make(chan heard, 8), pool: allreduce.NewFramePool(ring.FrameBytes(), 4), done: make(chan struct{}), broken: make(chan error, 1)}
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

// Why a neighbour leaves comes over another connection than that it is gone, and is read from it later: it is heard first.
func TestLastWordsComeBeforeTheEnd(t *testing.T) {
	for _, c := range []struct {
		name  string
		leave func(*testing.T, *Transport)
		first func(allreduce.Delivery) bool
	}{
		{"a frame", func(t *testing.T, tr *Transport) {
			if err := tr.Send(allreduce.Next, append(tr.Buffer(allreduce.Next)[:0], "why"...)); err != nil {
				t.Fatal(err)
			}
			if err := tr.Close(); err != nil {
				t.Fatal(err)
			}
		}, func(d allreduce.Delivery) bool { return string(d.Frame) == "why" }},
		{"a refusal", func(_ *testing.T, tr *Transport) {
			tr.refuse(allreduce.ErrMismatch)
			tr.shut()
		}, func(d allreduce.Delivery) bool { return errors.Is(d.Err, allreduce.ErrMismatch) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			ranks := joinTwo(t)
			stays, leaves := ranks[0], ranks[1]
			defer stays.shut()
			// Nothing is read from the own server until it is released.
			reading, release := make(chan struct{}), make(chan struct{})
			if err := stays.own.subscribe("hold", func([]byte) { close(reading); <-release }); err != nil {
				t.Fatal(err)
			}
			if err := stays.own.publish("hold", "", nil); err != nil {
				t.Fatal(err)
			}
			<-reading
			c.leave(t, leaves)
			// Both links say that nobody is there any more.
			for _, l := range stays.links {
				l.publish(stays.pool.Get()[:0])
				if err := l.conn.flush(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			early := false
			select {
			case d := <-stays.inbox:
				t.Errorf("%q, %v came before what was said", d.Frame, d.Err)
				early = true
			case <-time.After(10 * time.Millisecond): // a slow machine misses a fault, and finds none that is not there
			}
			close(release)
			if early {
				return
			}
			for d := range stays.inbox {
				if c.first(d) {
					break
				}
				if d.From == allreduce.Prev && errors.Is(d.Err, errNoSubscriber) {
					t.Fatalf("%v came before what was said", d.Err)
				}
			}
		})
	}
}

// joinTwo makes a ring of two over NATS in this process.
func joinTwo(t *testing.T) (ranks [2]*Transport) {
	t.Helper()
	var servers []*Server
	var addrs []string
	for range ranks {
		cfg := DefaultServerConfig()
		cfg.Host = "127.0.0.1"
		s, err := StartServer(cfg)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(s.Close)
		servers, addrs = append(servers, s), append(addrs, fmt.Sprintf("127.0.0.1:%d", s.Port()))
	}
	var errs [2]error
	var wg sync.WaitGroup
	for r := range ranks {
		wg.Go(func() {
			cfg := pipeConfig()
			cfg.Ring.Rank, cfg.Server, cfg.Addrs, cfg.SharedMemory = r, servers[r], addrs, false
			all, err := Join(t.Context(), cfg)
			if err == nil {
				ranks[r] = all[0]
			}
			errs[r] = err
		})
	}
	wg.Wait()
	if err := errors.Join(errs[:]...); err != nil {
		t.Fatal(err)
	}
	return ranks
}
