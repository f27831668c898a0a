package natsring

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"ringloom/allreduce"
	"ringloom/internal/printable"
)

// greeting is what neighbours say to each other before the ring begins, as JSON.
type greeting struct {
	Drawn    []byte        `json:"drawn"`              // the sender's number for this edge of this ring, 16 bytes
	Echo     []byte        `json:"echo,omitempty"`     // the receiver's, as the sender has last heard it
	Heard    bool          `json:"heard"`              // the sender has heard the receiver say the sender's number
	Want     bool          `json:"want"`               // the sender waits for a greeting with Heard
	Terms    terms         `json:"terms"`              // what both must have
	Offer    *segmentOffer `json:"offer,omitempty"`    // memory for the sender's frames
	Accepted bool          `json:"accepted,omitempty"` // the receiver's offer is taken
	Bell     *bellOffer    `json:"bell,omitempty"`     // how to wake the sender when a frame lies there
	Refusal  string        `json:"refusal,omitempty"`  // why the sender does not join; nothing else comes from it
	Kind     string        `json:"kind,omitempty"`     // of the refusal: one of refusalKinds
}

// terms must be the same on all ranks.
type terms struct {
	WireVersion int `json:"wire_version"`
	Rings       int `json:"rings"`
	ChunkBytes  int `json:"chunk_bytes"`
	WindowBytes int `json:"window_bytes"`
}

func (c Config) terms() terms {
	return terms{WireVersion: allreduce.WireVersion, Rings: c.Ring.Rings, ChunkBytes: c.Ring.ChunkBytes, WindowBytes: c.Ring.WindowBytes}
}

// difference names the first term that differs; empty if none does.
func (t terms) difference(other terms) string {
	for _, d := range []struct {
		name        string
		mine, their int
	}{
		{"wire version", t.WireVersion, other.WireVersion},
		{"number of rings", t.Rings, other.Rings},
		{"chunk bytes", t.ChunkBytes, other.ChunkBytes},
		{"window bytes", t.WindowBytes, other.WindowBytes},
	} {
		if d.mine != d.their {
			return fmt.Sprintf("its %s is %d, this rank's %d", d.name, d.their, d.mine)
		}
	}
	return ""
}

// heard is what a neighbour sent for a greeting, or its end.
type heard struct {
	from allreduce.Peer
	greeting
	err error // it was none
	end error // why nothing more can come
}

// greetInterval is how often an unanswered greeting is sent again. Between embedded servers the first one suffices:
// whoever subscribes second is heard by the first. In an external cluster a subscription takes a moment to spread.
const greetInterval = 200 * time.Millisecond

func (t *Transport) hear(from allreduce.Peer, frame []byte) {
	h := heard{from: from}
	text, err := t.edges[from].openGreeting(frame)
	if err == nil {
		err = json.Unmarshal(text, &h.greeting)
	}
	t.pool.Put(frame)
	if errors.Is(err, errUnsealed) && t.cfg.URL != "" {
		t.foreign.Add(1) // anybody may have sent it
		return
	}
	h.err = err
	select {
	case t.greeted <- h:
	case <-t.done:
	}
}

// parley is the state of the greetings. NATS drops what nobody is subscribed to, so a neighbour is known to be there
// only when it says that it has heard this rank. And somebody may have kept greetings of an earlier ring, so one counts
// only if it repeats the number that this rank has just drawn; what else it says is not looked at before.
type parley struct {
	t               *Transport
	theirs          [2][]byte // by allreduce.Peer: the number that it has drawn, final once it was heard
	heard, answered [2]bool
	accepted        [2]bool // its offer was looked at
}

// greet returns when both neighbours are known to be subscribed and to agree on the terms. Greetings that come later
// are answered until the transport ends.
func (t *Transport) greet(ctx context.Context) error {
	again := time.NewTicker(greetInterval)
	defer again.Stop()
	p := &parley{t: t}
	for _, to := range peers {
		if err := p.say(to); err != nil {
			return err
		}
	}
	for p.answered != [2]bool{true, true} {
		select {
		case h := <-t.greeted:
			if h.end != nil {
				return fmt.Errorf("%w: rank %d: %w", ErrJoin, t.cfg.rankOf(h.from), h.end)
			}
			if err := p.take(h); err != nil {
				return err
			}
		case <-again.C:
			for _, to := range peers {
				if !p.answered[to] {
					if err := p.say(to); err != nil {
						return err
					}
				}
			}
		case err := <-t.broken:
			return fmt.Errorf("%w: %w", ErrJoin, err)
		case <-ctx.Done():
			return t.unanswered(p.answered, context.Cause(ctx))
		}
	}
	go p.answerLate()
	return nil
}

// answerLate answers a neighbour whose greeting crossed with ours, and hears of its end.
func (p *parley) answerLate() {
	for {
		select {
		case h := <-p.t.greeted:
			err := h.end
			if err == nil {
				err = p.take(h)
			}
			if err != nil {
				p.t.links[h.from].fail(err)
			}
		case <-p.t.done:
			return
		}
	}
}

// take hears a greeting, and answers it.
func (p *parley) take(h heard) error {
	rank := p.t.cfg.rankOf(h.from)
	if errors.Is(h.err, errUnsealed) {
		return fmt.Errorf("%w: what rank %d says was not sealed with what the two share: give all ranks the same key, or none (%w)", ErrJoin, rank, h.err)
	}
	if h.err != nil {
		return fmt.Errorf("%w: rank %d does not greet as this version does: %w", ErrJoin, rank, h.err)
	}
	if h.Refusal != "" {
		// Terms that differ are for both to see; the refusal may have overtaken what would have shown them.
		if err := p.t.differs(h); err != nil {
			return err
		}
		why := fmt.Errorf("%w: rank %d does not join: %s", ErrJoin, rank, printable.Text(h.Refusal[:min(len(h.Refusal), refusalBytes)]))
		return refusal{why, refusalKinds[h.Kind]}
	}
	if len(h.Drawn) != drawnBytes {
		return fmt.Errorf("%w: rank %d does not greet as this version does: it has drawn %d bytes", ErrJoin, rank, len(h.Drawn))
	}
	if !p.heard[h.from] {
		p.theirs[h.from] = h.Drawn
	} else if !bytes.Equal(h.Drawn, p.theirs[h.from]) {
		return nil // of an earlier ring
	}
	fresh := bytes.Equal(h.Echo, p.t.edges[h.from].drawn)
	if fresh {
		if err := p.t.differs(h); err != nil {
			return err
		}
		if err := p.fresh(h); err != nil {
			return err
		}
	}
	if h.Want {
		return p.say(h.from)
	}
	return nil
}

// fresh hears a greeting that is of this ring.
func (p *parley) fresh(h heard) error {
	l := p.t.links[h.from]
	if !p.heard[h.from] {
		if err := l.agree(h.Drawn); err != nil {
			return fmt.Errorf("%w: rank %d: %w", ErrJoin, p.t.cfg.rankOf(h.from), err)
		}
		p.heard[h.from] = true
	}
	if h.Offer != nil && !p.accepted[h.from] {
		p.accepted[h.from] = true
		p.t.accept(h.from, *h.Offer)
	}
	if h.Heard && !p.answered[h.from] {
		p.answered[h.from] = true
		if h.Accepted && h.Bell != nil && l.segment != nil {
			// Without a bell the frames go through NATS; Describe says so.
			l.bell, _ = openBell(*h.Bell)
		}
	}
	return nil
}

// differs says which terms of a greeting differ from this rank's.
func (t *Transport) differs(h heard) error {
	if d := t.cfg.terms().difference(h.Terms); d != "" {
		return fmt.Errorf("%w: rank %d would not fit into the ring: %s; give all ranks the same", allreduce.ErrMismatch, t.cfg.rankOf(h.from), d)
	}
	return nil
}

// refusal is why a neighbour does not join, perhaps because of what it was told in its turn: of the kind that the first
// rank of all has found.
type refusal struct {
	error
	kind error // nil for others than refusalKinds
}

// Unwrap gives both.
func (r refusal) Unwrap() []error {
	if r.kind == nil {
		return []error{r.error}
	}
	return []error{r.error, r.kind}
}

// refusalKinds are the kinds that refusals keep from rank to rank.
var refusalKinds = map[string]error{"mismatch": allreduce.ErrMismatch, "max payload": ErrMaxPayload}

func refusalKind(why error) string {
	for name, kind := range refusalKinds {
		if errors.Is(why, kind) {
			return name
		}
	}
	return ""
}

// refuse tells the neighbours why this rank does not join, as far as they listen already.
func (t *Transport) refuse(why error) {
	text := t.refusal(why)
	ctx, cancel := context.WithTimeout(context.Background(), t.cfg.CloseTimeout)
	defer cancel()
	var wg sync.WaitGroup
	for _, l := range t.links {
		if l != nil {
			wg.Go(func() { // a neighbour that hangs keeps nothing from the other
				if l.conn.publish(l.subject+".hello", "", t.edges[l.peer].sealGreeting(text)) == nil {
					_ = l.conn.flush(ctx) // it cannot be told then
				}
			})
		}
	}
	wg.Wait()
}

// refusalBytes bounds the text of a refusal.
const refusalBytes = 512

// refusal is the greeting that says why; it fits into a frame.
func (t *Transport) refusal(because error) []byte {
	why := because.Error()
	for limit := refusalBytes; ; limit /= 2 {
		text, err := json.Marshal(greeting{Terms: t.cfg.terms(), Refusal: why[:min(len(why), limit)], Kind: refusalKind(because)})
		if err == nil && len(text)+greetingSealBytes <= t.cfg.Ring.FrameBytes() { // characters that JSON escapes take more
			return text
		}
	}
}

func (p *parley) say(to allreduce.Peer) error {
	l := p.t.links[to]
	g := greeting{Drawn: p.t.edges[to].drawn, Echo: p.theirs[to], Heard: p.heard[to], Want: !p.answered[to], Terms: p.t.cfg.terms()}
	if l.segment != nil {
		g.Offer = &l.segment.offer
	}
	if g.Accepted = p.t.incoming[to].Load() != nil; g.Accepted {
		g.Bell = &p.t.bell.offer
	}
	text, err := json.Marshal(g)
	if err != nil {
		return err
	}
	if err := l.conn.publish(l.subject+".hello", "", p.t.edges[to].sealGreeting(text)); err != nil {
		return fmt.Errorf("%w: rank %d: %w", ErrJoin, p.t.cfg.rankOf(to), err)
	}
	return nil
}

// accept maps the memory that a neighbour offers. Where that cannot be, frames come through NATS; Describe says so.
func (t *Transport) accept(from allreduce.Peer, o segmentOffer) {
	if t.bell == nil {
		return
	}
	if s, err := openSegment(o, t.cfg.shape(1-from)); err == nil {
		t.incoming[from].Store(s)
	}
}

func (t *Transport) unanswered(answered [2]bool, cause error) error {
	for _, p := range peers {
		if !answered[p] {
			return fmt.Errorf("rank %d of view %d has not joined the ring: %w", t.cfg.rankOf(p), t.cfg.Ring.View, cause)
		}
	}
	return cause
}
