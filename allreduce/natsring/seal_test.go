package natsring

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"testing"

	"ringloom/allreduce"
)

func secretOf(text string) []byte {
	s := sha256.Sum256([]byte(text))
	return s[:]
}

// ends are both ends of what rank 0 of 2 sends to the next rank, of a view, ring and secret.
func ends(t testing.TB, view uint64, ring int, secret, sender, receiver []byte) (*sealer, *opener) {
	t.Helper()
	cfg := pipeConfig()
	cfg.Ring.View, cfg.ring = view, ring
	aead, err := frameCipher(secret, cfg.subject(1, allreduce.Prev), sender, receiver)
	if err != nil {
		t.Fatal(err)
	}
	return &sealer{aead: aead}, &opener{aead: aead}
}

func room(frame []byte) []byte { return append(make([]byte, 0, len(frame)+SealBytes), frame...) }

func FuzzSealRoundTrip(f *testing.F) {
	f.Add([]byte("frame"), uint(3))
	f.Add([]byte{}, uint(0))
	f.Add(bytes.Repeat([]byte{7}, 1000), uint(8000))
	f.Fuzz(func(t *testing.T, frame []byte, bit uint) {
		s, o := ends(t, 1, 0, secretOf("a"), secretOf("b"), secretOf("c"))
		message := s.seal(room(frame))
		if len(message) != len(frame)+SealBytes {
			t.Fatalf("%d bytes became %d", len(frame), len(message))
		}
		damaged := bytes.Clone(message)
		bit %= uint(8 * len(damaged))
		damaged[bit/8] ^= 1 << (bit % 8)
		if _, err := o.open(damaged); !errors.Is(err, allreduce.ErrCorrupt) {
			t.Fatalf("bit %d was flipped: %v", bit, err)
		}
		got, err := o.open(bytes.Clone(message)) // damage before it does no harm
		if err != nil || !bytes.Equal(got, frame) {
			t.Fatalf("%v", err)
		}
		if _, err := o.open(message); !errors.Is(err, errAgain) {
			t.Fatalf("it opens twice: %v", err)
		}
	})
}

// FuzzOpen: what somebody makes up does not open, whatever it is.
func FuzzOpen(f *testing.F) {
	s, _ := ends(f, 1, 0, secretOf("another"), secretOf("b"), secretOf("c"))
	f.Add(s.seal(room([]byte("frame"))))
	f.Add(make([]byte, SealBytes))
	f.Add([]byte("RL"))
	f.Fuzz(func(t *testing.T, message []byte) {
		_, o := ends(t, 1, 0, secretOf("a"), secretOf("b"), secretOf("c"))
		if frame, err := o.open(bytes.Clone(message)); !errors.Is(err, allreduce.ErrCorrupt) {
			t.Fatalf("%x opens to %x, %v", message, frame, err)
		}
	})
}

// A frame opens at one place only: in its view and ring, with the numbers that both ends have drawn, in its turn.
func TestASealedFrameOpensAtItsPlaceOnly(t *testing.T) {
	a, b, c := secretOf("a"), secretOf("b"), secretOf("c")
	s, _ := ends(t, 1, 0, a, b, c)
	first, second, third := s.seal(room([]byte("1"))), s.seal(room([]byte("2"))), s.seal(room([]byte("3")))
	for name, other := range map[string]func() (*sealer, *opener){
		"view":               func() (*sealer, *opener) { return ends(t, 2, 0, a, b, c) },
		"ring":               func() (*sealer, *opener) { return ends(t, 1, 1, a, b, c) },
		"secret":             func() (*sealer, *opener) { return ends(t, 1, 0, secretOf("x"), b, c) },
		"sender's number":    func() (*sealer, *opener) { return ends(t, 1, 0, a, secretOf("x"), c) },
		"receiver's number":  func() (*sealer, *opener) { return ends(t, 1, 0, a, b, secretOf("x")) },
		"the other way back": func() (*sealer, *opener) { return ends(t, 1, 0, a, c, b) },
	} {
		_, o := other()
		if _, err := o.open(bytes.Clone(first)); !errors.Is(err, allreduce.ErrCorrupt) {
			t.Errorf("another %s: %v", name, err)
		}
	}
	_, o := ends(t, 1, 0, a, b, c)
	if _, err := o.open(bytes.Clone(second)); !errors.Is(err, allreduce.ErrProtocol) || isForeign(err) {
		t.Errorf("the second before the first: %v", err)
	}
	for _, m := range [][]byte{first, second, third} {
		if _, err := o.open(bytes.Clone(m)); err != nil {
			t.Error(err)
		}
		if _, err := o.open(bytes.Clone(first)); !errors.Is(err, errAgain) {
			t.Errorf("the first again: %v", err)
		}
	}
}

// Whoever has kept the greetings of an earlier ring cannot answer for a neighbour: they repeat another number.
func TestAGreetingOfAnEarlierRingDoesNotCount(t *testing.T) {
	p, conn := newMuteParley()
	drawn := secretOf("drawn")[:drawnBytes]
	old := heard{from: allreduce.Next, greeting: greeting{
		Drawn: drawn, Echo: secretOf("another")[:drawnBytes], Heard: true, Want: true, Accepted: true,
		Terms: terms{WireVersion: 99}, Offer: &segmentOffer{PID: 1, FD: 1},
	}}
	if err := p.take(old); err != nil || p.heard[allreduce.Next] || p.answered[allreduce.Next] || p.accepted[allreduce.Next] {
		t.Fatalf("an old greeting counts: %+v, %v", p, err)
	}
	if conn.said != 1 {
		t.Error("whoever greets is not told this ring's number")
	}
	now := old
	now.Echo, now.Terms, now.Offer = p.t.edges[allreduce.Next].drawn, p.t.cfg.terms(), nil
	if err := p.take(now); err != nil || !p.heard[allreduce.Next] || !p.answered[allreduce.Next] {
		t.Fatalf("a greeting of this ring does not count: %+v, %v", p, err)
	}
	old.Drawn, conn.said = secretOf("older")[:drawnBytes], 0
	if err := p.take(old); err != nil || conn.said != 0 || !bytes.Equal(p.theirs[allreduce.Next], drawn) {
		t.Errorf("an old greeting changes what was agreed: %v", err)
	}
}

func TestAShortSecretIsRefused(t *testing.T) {
	cfg := pipeConfig()
	cfg.Secret = func(int) ([]byte, error) { return []byte("short"), nil }
	if _, err := newEdge(cfg, allreduce.Next); !errors.Is(err, ErrConfig) {
		t.Errorf("%v", err)
	}
	why := errors.New("no view")
	cfg.Secret = func(int) ([]byte, error) { return nil, why }
	if _, err := newEdge(cfg, allreduce.Next); !errors.Is(err, why) {
		t.Errorf("%v", err)
	}
}
