package natsring

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"testing"

	"ringloom/allreduce"
)

// mute is a connection to nobody.
type mute struct{ said int }

func (m *mute) subscribe(string, func([]byte)) error { return nil }
func (m *mute) publish(_, _ string, _ []byte) error  { m.said++; return nil }
func (m *mute) flush(context.Context) error          { return nil }
func (m *mute) maxPayload() int64                    { return 1 << 20 }
func (m *mute) close()                               {}

// newMuteParley is the greetings of rank 0 of 3, whose neighbours hear nothing.
func newMuteParley() (*parley, *mute) {
	ring := allreduce.DefaultConfig()
	ring.Job, ring.WorldSize, ring.ChunkBytes, ring.WindowBytes = "test", 3, 1<<10, 8<<10
	conn := &mute{}
	bell, _ := newBell() // nil where there is none
	t := &Transport{cfg: DefaultConfig(ring), bell: bell, pool: allreduce.NewFramePool(1<<10, 1), done: make(chan struct{})}
	for _, p := range peers {
		t.links[p] = &link{transport: t, peer: p, conn: conn}
		t.edges[p].drawn = bytes.Repeat([]byte{byte(p) + 1}, drawnBytes)
	}
	return &parley{t: t}, conn
}

// FuzzGreeting hands the greetings what may come from a neighbour: they take it or say what is wrong, and never take
// memory that is not laid out as this rank expects.
func FuzzGreeting(f *testing.F) {
	p, _ := newMuteParley()
	w, err := newSegment(p.t.cfg.shape(allreduce.Next))
	if err != nil {
		f.Skip(err)
	}
	f.Cleanup(func() { _ = w.close() })
	b, err := newBell()
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(b.close)
	p.t.edges[allreduce.Next].drawn = p.t.edges[allreduce.Prev].drawn
	drawn, echo := make([]byte, drawnBytes), p.t.edges[allreduce.Prev].drawn
	for _, g := range []greeting{
		{Drawn: drawn, Echo: echo, Want: true, Terms: p.t.cfg.terms(), Offer: &w.offer},
		{Drawn: drawn, Echo: echo, Heard: true, Accepted: true, Bell: &b.offer, Terms: p.t.cfg.terms()},
		{Drawn: drawn, Want: true},
		{Want: true, Terms: p.t.cfg.terms(), Offer: &w.offer},
		{Heard: true, Accepted: true, Bell: &b.offer, Terms: p.t.cfg.terms()},
		{Heard: true, Want: true},
	} {
		text, err := json.Marshal(g)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(uint8(allreduce.Prev), text)
		f.Add(uint8(allreduce.Next), text)
	}
	for _, text := range []string{``, `null`, `[]`, `"x"`, `{"terms":null}`, `{"heard":1}`, `{"offer":{"slots":-1}}`, "\xff{"} {
		f.Add(uint8(allreduce.Prev), []byte(text))
	}
	f.Fuzz(func(t *testing.T, from uint8, text []byte) {
		p, conn := newMuteParley()
		p.t.greeted = make(chan heard, 1)
		p.t.hear(allreduce.Peer(from%2), append([]byte{}, text...))
		h := <-p.t.greeted
		// Other processes' files are not this test's to open.
		if h.Offer != nil {
			h.Offer.PID = os.Getpid()
		}
		if h.Bell != nil {
			h.Bell.PID = os.Getpid()
		}
		err := p.take(h)
		if err != nil && !errors.Is(err, ErrJoin) && !errors.Is(err, allreduce.ErrMismatch) {
			t.Fatalf("%q: untyped error %v", text, err)
		}
		if h.err != nil && err == nil {
			t.Fatalf("%q was taken: %v", text, h.err)
		}
		if err == nil && h.Want && conn.said == 0 {
			t.Fatalf("%q was not answered", text)
		}
		for _, from := range peers {
			p.t.links[from].bell.close()
			if s := p.t.incoming[from].Load(); s != nil {
				if want := p.t.cfg.shape(1 - from); s.shape != want || len(s.memory) != want.bytes() {
					t.Fatalf("%q: memory of %d bytes in the shape %+v", text, len(s.memory), s.shape)
				}
				_ = s.close()
			}
		}
	})
}
