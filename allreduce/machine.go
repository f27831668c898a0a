package allreduce

import "errors"

// machine is the ring protocol of one rank: frames in, frames out. It has no goroutine, no clock and no socket.
//
// The stream of data frames on a ring edge is fully determined by the collectives that both ends started, so the
// machine knows exactly which frame is due. A frame for a collective that this rank has not started yet is parked,
// uncredited, until it has.
type machine struct {
	cfg  Config
	mark uint32             // of the ring that the machine belongs to
	free func(frame []byte) // takes back a frame that the machine is done with
	// seals says, by Peer, that the transport finds damage to a frame on its way there, so that no checksum is needed.
	seals [2]bool

	ops     []*operation // started and unfinished, oldest first
	sending int          // index in ops of the first that is not fully sent
	recving int          // index in ops of the first that is not fully received
	started uint64       // collectives started in this view

	sent, credited    uint64 // data frames to the next rank: sent, consumed there
	arrived, consumed uint64 // data frames from the previous rank: arrived, consumed here
	creditSent        uint64 // the last credit that went to the previous rank
	parked            []arrival
	closing           bool
	byeSent, byeHeard [2]bool // by Peer
	ignored, stalled  uint64  // frames of other views; times that sending waited for credit
	waitingCredit     bool
	abortText         string // set once this rank has failed
	abortOrigin       int
	abortSent         [2]bool
}

func newMachine(cfg Config, ring int, free func([]byte)) *machine {
	return &machine{cfg: cfg, mark: ringMark(cfg.Job, ring), free: free}
}

// start enqueues a collective. The caller has set kind, bucket, root and vector or blocks.
func (m *machine) start(o *operation) error {
	m.started++
	o.seq = m.started
	o.rank, o.size, o.chunkBytes = m.cfg.Rank, m.cfg.WorldSize, m.cfg.ChunkBytes
	o.begin()
	m.ops = append(m.ops, o)
	m.advance()
	if err := m.unpark(); err != nil {
		return err
	}
	for _, p := range []Peer{Prev, Next} {
		if m.byeHeard[p] && (p == Prev && !o.received() || p == Next && !o.sent()) {
			return m.fail(ErrNeighbourLost, p, errors.New("it had left before this rank started the collective"))
		}
	}
	return nil
}

// advance moves sending and recving past the collectives that are done.
func (m *machine) advance() {
	for m.sending < len(m.ops) && m.ops[m.sending].sent() {
		m.sending++
	}
	for m.recving < len(m.ops) && m.ops[m.recving].received() {
		m.recving++
	}
}

// finished removes and returns the oldest collective if this rank's part in it is done, else nil.
func (m *machine) finished() *operation {
	if m.sending == 0 || m.recving == 0 {
		return nil
	}
	o := m.ops[0]
	m.ops = append(m.ops[:0], m.ops[1:]...)
	m.sending--
	m.recving--
	return o
}

// next builds the next frame to send, in a buffer that has room for Config.FrameBytes. It reports false when there is
// none now, and then has taken no buffer.
func (m *machine) next(buffer func(to Peer) []byte) (to Peer, frame []byte, ok bool) {
	if m.abortText != "" {
		return m.nextControl(buffer, frameAbort, &m.abortSent)
	}
	if due := m.consumed - m.creditSent; due > 0 && due >= max(1, uint64(m.cfg.WindowFrames())/4) {
		m.creditSent = m.consumed
		return Prev, m.finish(Prev, buffer(Prev)[:HeaderBytes], header{kind: frameCredit, seq: m.consumed}), true
	}
	if m.sending < len(m.ops) && m.ops[m.sending].sendable() {
		if m.creditBlocked() {
			if !m.waitingCredit {
				m.waitingCredit = true
				m.stalled++
			}
			return 0, nil, false
		}
		m.waitingCredit = false
		return Next, m.nextData(buffer(Next)), true
	}
	if m.closing && len(m.ops) == 0 {
		return m.nextControl(buffer, frameBye, &m.byeSent)
	}
	return 0, nil, false
}

func (m *machine) creditBlocked() bool {
	return m.sent-m.credited >= uint64(m.cfg.WindowFrames())
}

func (m *machine) nextData(buf []byte) []byte {
	o := m.ops[m.sending]
	m.sent++
	h := header{
		kind: frameData, seq: m.sent, op: o.kind, dtype: o.dtype(), opSeq: o.seq, bucket: o.bucket, root: uint16(o.root),
		step: uint32(o.send.step), chunk: uint32(o.send.chunk), total: o.total(o.sendBlock(o.send.step)),
	}
	frame := m.finish(Next, o.appendChunk(buf[:HeaderBytes]), h)
	o.advanceSend()
	m.advance()
	return frame
}

// nextControl builds a goodbye or an abort for the neighbour that has not had it yet.
func (m *machine) nextControl(buffer func(Peer) []byte, kind frameKind, done *[2]bool) (Peer, []byte, bool) {
	for _, to := range []Peer{Prev, Next} {
		if done[to] {
			continue
		}
		done[to] = true
		buf := buffer(to)[:HeaderBytes]
		h := header{kind: kind}
		if kind == frameAbort {
			h.root = uint16(m.abortOrigin)
			buf = append(buf, m.abortText...)
		}
		return to, m.finish(to, buf, h), true
	}
	return 0, nil, false
}

// finish puts the header before a frame's payload.
func (m *machine) finish(to Peer, frame []byte, h header) []byte {
	h.view, h.size, h.from = m.cfg.View, uint16(m.cfg.WorldSize), uint16(m.cfg.Rank)
	if m.seals[to] {
		putFields(frame, h)
		return frame
	}
	putHeader(frame, h, m.mark)
	return frame
}

// parted says whether the neighbours have exchanged goodbyes, so that the ring can be taken down.
func (m *machine) parted() bool {
	return m.byeSent == [2]bool{true, true} && m.byeHeard == [2]bool{true, true}
}

// abort makes next tell both neighbours that the ring has failed.
func (m *machine) abort(origin int, text string) {
	m.abortOrigin = origin
	m.abortText = text[:min(len(text), maxAbortText)]
}

func (m *machine) rankOf(p Peer) int {
	if p == Prev {
		return m.cfg.Prev()
	}
	return m.cfg.Next()
}

// blame is the neighbour that the oldest collective waits for.
func (m *machine) blame() Peer {
	if m.sending < len(m.ops) && m.ops[m.sending].sendable() && m.creditBlocked() {
		return Next
	}
	return Prev
}

// fail makes the error for a failure at a neighbour, in the collective that is under way.
func (m *machine) fail(kind error, peer Peer, cause error) error {
	return m.failAt(kind, m.rankOf(peer), cause)
}

func (m *machine) failAt(kind error, neighbour int, cause error) *Error {
	e := &Error{Kind: kind, Rank: m.cfg.Rank, Neighbour: neighbour, Origin: m.cfg.Rank, Err: cause}
	if len(m.ops) > 0 {
		o := m.ops[0]
		e.Op, e.Bucket, e.Step = o.kind.String(), int(o.bucket), o.seq
	}
	return e
}
