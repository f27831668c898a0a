package run

import (
	"context"
	"fmt"
	"time"
)

const (
	// sayAfter is how long something may take before the user is told what it is.
	sayAfter = 2 * time.Second
	// sayAgain is how often he is told after that.
	sayAgain = 10 * time.Second
)

// teller tells the user of something that takes long.
type teller struct {
	say         func(text string)
	begin, next time.Time
}

func newTeller(say func(text string)) *teller {
	now := time.Now()
	return &teller{say, now, now.Add(sayAfter)}
}

// tell is called again and again meanwhile. A nil say tells nobody.
func (p *teller) tell(what string) {
	now := time.Now()
	if p.say == nil || now.Before(p.next) {
		return
	}
	p.next = now.Add(sayAgain)
	p.say(fmt.Sprintf("%s (for %v)", what, now.Sub(p.begin).Round(time.Second)))
}

// await does what gives no such occasion, as reading from a disk that may be slow: it tells until that has returned. When the context
// ends it returns that's cause at once, and leaves the rest to the end of the process.
func await[T any](ctx context.Context, say func(text string), what string, do func() (T, error)) (T, error) {
	type outcome struct {
		value T
		err   error
	}
	done := make(chan outcome, 1)
	go func() {
		value, err := do()
		done <- outcome{value, err}
	}()
	waits := newTeller(say)
	tick := time.NewTicker(sayAfter)
	defer tick.Stop()
	for {
		select {
		case o := <-done:
			return o.value, o.err
		case <-tick.C:
			waits.tell(what)
		case <-ctx.Done():
			var none T
			return none, context.Cause(ctx)
		}
	}
}
