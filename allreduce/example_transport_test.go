package allreduce_test

import (
	"context"
	"fmt"
	"sync"

	"ringloom/allreduce"
)

// wire is a transport over Go channels between goroutines. The frames of a window fit into the channels, so Send never
// waits.
type wire struct {
	cfg   allreduce.Config
	inbox chan allreduce.Delivery
	links [2]*wire // by allreduce.Peer
}

// newWires makes the ends of a ring, by rank.
func newWires(cfg allreduce.Config) []*wire {
	ring := make([]*wire, cfg.WorldSize)
	for r := range ring {
		// From each neighbour a window of frames, as many credits, and two frames more.
		ring[r] = &wire{cfg: cfg, inbox: make(chan allreduce.Delivery, 2*(2*cfg.WindowFrames()+2))}
	}
	for r, w := range ring {
		w.links[allreduce.Next] = ring[(r+1)%len(ring)]
		w.links[allreduce.Prev] = ring[(r+len(ring)-1)%len(ring)]
	}
	return ring
}

func (w *wire) Buffer(allreduce.Peer) []byte { return make([]byte, 0, w.cfg.FrameBytes()) }

// Send hands the frame itself to the neighbour, for whom it comes from the other direction.
func (w *wire) Send(to allreduce.Peer, frame []byte) error {
	from := allreduce.Next
	if to == allreduce.Next {
		from = allreduce.Prev
	}
	w.links[to].inbox <- allreduce.Delivery{From: from, Frame: frame}
	return nil
}

func (w *wire) Inbox() <-chan allreduce.Delivery { return w.inbox }

// Everything arrives through Inbox.
func (w *wire) Polls() bool                              { return false }
func (w *wire) Poll(bool) (_ allreduce.Delivery, _ bool) { return }

func (w *wire) Release([]byte)   {} // left to the garbage collector
func (w *wire) Describe() string { return "Go channels" }
func (w *wire) Close() error     { return nil }

// A transport carries frames between a rank and its two neighbours. This one does it over Go channels, and sums a
// vector over three ranks.
func ExampleTransport() {
	cfg := allreduce.DefaultConfig()
	cfg.Job, cfg.WorldSize = "example", 3
	sums := make([][]float32, cfg.WorldSize)
	var ranks sync.WaitGroup
	for rank, transport := range newWires(cfg) {
		ranks.Go(func() {
			own := cfg
			own.Rank = rank
			group, err := allreduce.New(own, transport)
			if err != nil {
				fmt.Println(err)
				return
			}
			defer group.Close()
			sums[rank] = []float32{float32(rank), 10, 0.5}
			if err := group.AllReduce(context.Background(), sums[rank]); err != nil {
				fmt.Println(err)
			}
		})
	}
	ranks.Wait()
	fmt.Println(sums)
	// Output: [[3 30 1.5] [3 30 1.5] [3 30 1.5]]
}
