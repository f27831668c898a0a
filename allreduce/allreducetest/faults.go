package allreducetest

import (
	"math/rand/v2"
	"slices"
	"time"

	"ringloom/allreduce"
	"ringloom/allreduce/memring"
)

// Faults are the probabilities, from 0 to 1, with which a frame suffers each fault.
type Faults struct {
	Seed      uint64 // the same seed draws the same faults for the same frames
	Rank      int    // the rank whose outgoing frames suffer, -1 for all
	Back      bool   // frames to the rank before (credits above all) suffer too, not only those to the next
	Drop      float64
	Duplicate float64
	Reorder   float64 // swapped with the frame after it
	Corrupt   float64 // one bit is flipped, of the header or the payload
	Truncate  float64 // bytes are cut off the end
	Delay     float64 // held up for up to MaxDelay, with all that follow it
	MaxDelay  time.Duration
}

func (f Faults) any() bool {
	return f.Drop+f.Duplicate+f.Reorder+f.Corrupt+f.Truncate+f.Delay > 0
}

// faultyWire mistreats the frames of one link. Its goroutine ends with the sending rank.
type faultyWire struct {
	sender *memring.Transport
	to     allreduce.Peer
	faults Faults
	random *rand.Rand
	queue  chan []byte
	down   <-chan struct{}
	held   []byte // a frame that waits to be overtaken
}

func newFaultyWire(sender *memring.Transport, to allreduce.Peer, f Faults, stream uint64) *faultyWire {
	w := &faultyWire{
		sender: sender, to: to, faults: f, random: rand.New(rand.NewPCG(f.Seed, stream)),
		queue: make(chan []byte, cap(sender.Inbox())), down: sender.Down(),
	}
	go w.run()
	return w
}

func (w *faultyWire) send(frame []byte) error {
	select {
	case <-w.down:
		return memring.ErrLinkDown
	case w.queue <- frame:
		return nil
	}
}

func (w *faultyWire) run() {
	for {
		select {
		case <-w.down:
			return
		case frame := <-w.queue:
			w.mistreat(frame)
		}
	}
}

func (w *faultyWire) mistreat(frame []byte) {
	f := w.faults
	if w.hit(f.Delay) {
		w.wait(time.Duration(w.random.Int64N(int64(f.MaxDelay) + 1)))
	}
	switch {
	case w.hit(f.Drop):
		return
	case w.hit(f.Corrupt):
		frame = slices.Clone(frame)
		frame[w.random.IntN(len(frame))] ^= 1 << w.random.IntN(8)
	case w.hit(f.Truncate):
		frame = slices.Clone(frame[:w.random.IntN(len(frame))])
	case w.hit(f.Duplicate):
		w.pass(slices.Clone(frame))
	case w.hit(f.Reorder) && w.held == nil:
		w.held = frame
		return
	}
	w.pass(frame)
	if w.held != nil {
		w.pass(w.held)
		w.held = nil
	}
}

func (w *faultyWire) hit(p float64) bool { return p > 0 && w.random.Float64() < p }

// pass hands a frame on; when a rank is gone there is nobody to tell.
func (w *faultyWire) pass(frame []byte) { _ = w.sender.Send(w.to, frame) }

func (w *faultyWire) wait(d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-w.down:
	}
}
