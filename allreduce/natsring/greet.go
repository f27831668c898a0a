package natsring

import (
	"context"
	"fmt"
	"time"

	"ringloom/allreduce"
)

// greeting says that a neighbour is subscribed. If it does not know of this rank yet, it wants an answer.
type greeting struct {
	from   allreduce.Peer
	answer bool
}

// greetInterval is how often an unanswered greeting is sent again. Between embedded servers the first one suffices: whoever
// subscribes second is heard by the first. In an external cluster a subscription takes a moment to spread.
const greetInterval = 200 * time.Millisecond

var (
	hello = []byte("hello")
	ack   = []byte("ack")
)

func (t *Transport) hear(from allreduce.Peer, frame []byte, greeted chan<- greeting) {
	wantsAnswer := string(frame) == string(hello)
	t.pool.Put(frame)
	select {
	case greeted <- greeting{from: from, answer: wantsAnswer}:
	case <-t.done:
	}
}

// greet returns when both neighbours are known to be subscribed. Greetings that come later are answered until the transport
// ends.
func (t *Transport) greet(ctx context.Context, greeted chan greeting) error {
	again := time.NewTicker(greetInterval)
	defer again.Stop()
	var known [2]bool
	for _, p := range peers {
		if err := t.say(p, hello); err != nil {
			return err
		}
	}
	for known != [2]bool{true, true} {
		select {
		case g := <-greeted:
			known[g.from] = true
			if err := t.answer(g); err != nil {
				return err
			}
		case <-again.C:
			for _, p := range peers {
				if !known[p] {
					if err := t.say(p, hello); err != nil {
						return err
					}
				}
			}
		case err := <-t.broken:
			return fmt.Errorf("%w: %w", ErrJoin, err)
		case <-ctx.Done():
			return t.unanswered(known, context.Cause(ctx))
		}
	}
	go t.answerLate(greeted)
	return nil
}

// answerLate answers a neighbour whose greeting crossed with ours.
func (t *Transport) answerLate(greeted <-chan greeting) {
	for {
		select {
		case g := <-greeted:
			if err := t.answer(g); err != nil {
				t.links[g.from].fail(err)
			}
		case <-t.done:
			return
		}
	}
}

func (t *Transport) answer(g greeting) error {
	if !g.answer {
		return nil
	}
	return t.say(g.from, ack)
}

func (t *Transport) say(to allreduce.Peer, what []byte) error {
	l := t.links[to]
	if err := l.conn.publish(l.subject+".hello", "", what); err != nil {
		return fmt.Errorf("%w: rank %d: %w", ErrJoin, t.cfg.rankOf(to), err)
	}
	return nil
}

func (t *Transport) unanswered(known [2]bool, cause error) error {
	for _, p := range peers {
		if !known[p] {
			return fmt.Errorf("rank %d of view %d has not joined the ring: %w", t.cfg.rankOf(p), t.cfg.Ring.View, cause)
		}
	}
	return cause
}
