package allreduce

import (
	"errors"
	"fmt"
	"time"
)

// loop is the goroutine that owns a lane's machine, and the clock.
type loop struct {
	*lane
	machine  *machine
	inflight []*part // in the order of machine.ops
	heard    [2]time.Time
	progress time.Time // the last time that a frame arrived or a collective started
	timer    *time.Timer
	leaving  bool
	stopped  bool // by another lane's error, which the other lanes hold too
}

// run moves frames until the lane fails or is closed, tells the neighbours, and gives the group the reason.
func (l *loop) run() {
	l.group.laneEnded(l.lane, l.work())
}

func (l *loop) work() error {
	l.progress = time.Now()
	l.timer = time.NewTimer(l.cfg.Deadline)
	defer l.timer.Stop()
	closing := (<-chan struct{})(l.closing)
	for {
		if err := l.flush(); err != nil {
			return l.end(err)
		}
		if l.machine.parted() {
			return l.machine.failAt(ErrClosed, -1, nil)
		}
		if err := l.next(&closing); err != nil {
			return l.end(err)
		}
	}
}

// next handles one event or delivery, and waits for one if there is none.
func (l *loop) next(closing *<-chan struct{}) error {
	if d, ok := l.spin(); ok {
		return l.deliver(d)
	}
	if happened, err := l.event(closing, ready); happened {
		return err
	}
	for _, sleep := range []bool{false, true} {
		if d, ok := l.transport.Poll(sleep); ok {
			return l.deliver(d)
		}
	}
	_, err := l.event(closing, nil)
	return err
}

// ready lets event return at once. Where an event is ready too, select may pass it over; it is then taken in this
// iteration of the loop or the next.
var ready = func() <-chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}()

// event handles what arrives on one of the channels. It waits until idle is ready, or forever if idle is nil.
func (l *loop) event(closing *<-chan struct{}, idle <-chan struct{}) (happened bool, err error) {
	select {
	case p := <-l.starts:
		return true, l.start(p)
	case d := <-l.transport.Inbox():
		return true, l.deliver(d)
	case at := <-l.timer.C:
		return true, l.tick(at)
	case cause := <-l.cancels:
		return true, l.machine.failAt(ErrCancelled, -1, cause)
	case err := <-l.stop:
		l.stopped = true
		return true, err
	case <-*closing:
		*closing = nil
		return true, l.close()
	case <-idle:
		return false, nil
	}
}

// flush sends what the machine has to send and completes what is finished.
func (l *loop) flush() error {
	for {
		to, frame, ok := l.machine.next(l.transport.Buffer)
		if !ok {
			break
		}
		l.counters.framesSent.Add(1)
		l.counters.bytesSent.Add(uint64(len(frame)))
		if err := l.transport.Send(to, frame); err != nil {
			if err := l.sendFailed(to, err); err != nil {
				return err
			}
		}
	}
	l.counters.creditStalls.Store(l.machine.stalled)
	for l.machine.finished() != nil {
		p := l.inflight[0]
		l.inflight = append(l.inflight[:0], l.inflight[1:]...)
		l.counters.collectives.Add(1)
		p.finished = time.Now()
		p.done <- struct{}{}
	}
	return nil
}

// spin polls for a frame for up to Config.Spin while a caller is blocked in Wait and nothing else is pending.
func (l *loop) spin() (Delivery, bool) {
	if l.cfg.Spin == 0 || len(l.inflight) == 0 || l.group.waiting.Load() == 0 || !l.transport.Polls() {
		return Delivery{}, false
	}
	for end := time.Now().Add(l.cfg.Spin); len(l.starts) == 0 && len(l.transport.Inbox()) == 0; {
		if d, ok := l.transport.Poll(false); ok {
			return d, true
		}
		if !time.Now().Before(end) {
			break
		}
	}
	return Delivery{}, false
}

func (l *loop) start(p *part) error {
	if l.leaving {
		return l.machine.failAt(ErrClosed, -1, errors.New("a collective was started after Close"))
	}
	if len(l.inflight) == 0 {
		l.progress = time.Now()
	}
	l.inflight = append(l.inflight, p)
	return l.machine.start(&p.op)
}

func (l *loop) deliver(d Delivery) error {
	if d.Err != nil {
		if err := l.drain(); err != nil {
			return err
		}
		return l.lost(d.From, d.Err)
	}
	if d.Frame == nil {
		return nil // a hint to poll
	}
	now := time.Now()
	l.progress = now
	l.counters.framesReceived.Add(1)
	l.counters.bytesReceived.Add(uint64(len(d.Frame)))
	err := l.machine.receive(d.From, arrival{d.Frame, d.Sealed})
	l.heard[d.From] = now
	l.counters.ignored.Store(l.machine.ignored)
	return err
}

// drain handles what the neighbours sent before a link broke, because it may tell why.
func (l *loop) drain() error {
	for {
		d, ok := l.transport.Poll(false)
		if !ok {
			return nil
		}
		if d.Err != nil {
			return l.lost(d.From, d.Err)
		}
		if err := l.deliver(d); err != nil {
			return err
		}
	}
}

// lost ends the group because a link broke, unless the neighbour had said goodbye.
func (l *loop) lost(peer Peer, cause error) error {
	if l.machine.byeHeard[peer] && len(l.inflight) == 0 {
		return nil
	}
	return l.machine.fail(kindOf(cause), peer, cause)
}

// sendFailed ends the group because a frame could not be sent, unless what has already come says more about the reason.
func (l *loop) sendFailed(to Peer, cause error) error {
	for {
		select {
		case d := <-l.transport.Inbox():
			if err := l.deliver(d); err != nil {
				return err
			}
		default:
			if err := l.drain(); err != nil {
				return err
			}
			return l.lost(to, cause)
		}
	}
}

// tick checks whether a deadline has passed, and sets the timer for the next.
func (l *loop) tick(now time.Time) error {
	if l.leaving {
		return l.machine.failAt(ErrClosed, -1, nil)
	}
	if err := l.drain(); err != nil { // frames whose wake-up was lost
		return err
	}
	idle := now.Sub(l.progress)
	if len(l.inflight) > 0 && idle >= l.cfg.Deadline {
		return l.machine.fail(ErrTimeout, l.machine.blame(), fmt.Errorf("nothing moved for %v", l.cfg.Deadline))
	}
	wait := l.cfg.Deadline
	if len(l.inflight) > 0 {
		wait -= idle
	}
	l.timer.Reset(wait)
	return nil
}

// close starts the goodbyes, or ends the group at once if collectives are pending.
func (l *loop) close() error {
	if len(l.inflight) > 0 || len(l.starts) > 0 {
		return l.machine.failAt(ErrClosed, -1, nil)
	}
	l.leaving, l.machine.closing = true, true
	l.timer.Reset(l.cfg.Linger)
	return nil
}

// end tells the neighbours why the lane has ended, and returns that reason. In this lane's own error it records when
// the neighbour was last heard from.
func (l *loop) end(err error) error {
	var e *Error
	if errors.As(err, &e) && e.Neighbour >= 0 && !l.stopped {
		for _, p := range []Peer{Prev, Next} {
			if l.machine.rankOf(p) == e.Neighbour && l.heard[p].After(e.LastHeard) {
				e.LastHeard, e.Silence = l.heard[p], time.Since(l.heard[p])
			}
		}
	}
	if l.leaving {
		return err
	}
	text, origin := err.Error(), l.cfg.Rank
	if e != nil && e.Kind == ErrAborted {
		text, origin = e.Err.Error(), e.Origin
	}
	l.machine.abort(origin, text)
	for {
		to, frame, ok := l.machine.next(l.transport.Buffer)
		if !ok {
			return err
		}
		// Best effort: the neighbour that is lost cannot be told.
		_ = l.transport.Send(to, frame)
	}
}
