package allreduce

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
)

// arrival is a frame from a neighbour. One that the transport has unsealed has no checksum.
type arrival struct {
	frame  []byte
	sealed bool
}

func (m *machine) parse(a arrival) (header, []byte, error) {
	if a.sealed {
		return parseFields(a.frame)
	}
	return parseFrame(a.frame, m.mark)
}

// receive takes a frame from a neighbour, and owns it. An error ends the ring.
func (m *machine) receive(from Peer, a arrival) error {
	frame := a.frame
	h, payload, err := m.parse(a)
	if err != nil {
		m.free(frame)
		return m.fail(kindOf(err), from, err)
	}
	if h.view != m.cfg.View {
		m.ignored++
		m.free(frame)
		return nil
	}
	if int(h.size) != m.cfg.WorldSize || int(h.from) != m.rankOf(from) {
		m.free(frame)
		return m.fail(ErrProtocol, from, fmt.Errorf("a frame of rank %d of %d came where rank %d of %d was due", h.from, h.size, m.rankOf(from), m.cfg.WorldSize))
	}
	if h.kind != frameData && len(payload) > h.kind.maxPayload() {
		m.free(frame)
		return m.fail(ErrProtocol, from, fmt.Errorf("frame kind %d with %d bytes; %d are the most", h.kind, len(payload), h.kind.maxPayload()))
	}
	switch {
	case h.kind == frameData && from == Prev:
		return m.receiveData(h, payload, a)
	case h.kind == frameCredit && from == Next:
		err = m.receiveCredit(h)
	case h.kind == frameBye:
		err = m.receiveBye(from)
	case h.kind == frameAbort:
		e := m.fail(ErrAborted, from, errors.New(printable(payload))).(*Error)
		e.Origin = int(h.root)
		err = e
	default:
		err = m.fail(ErrProtocol, from, fmt.Errorf("frame kind %d is not for this direction", h.kind))
	}
	m.free(frame)
	return err
}

// printable is a text of another rank for people: no characters that a terminal would obey.
func printable(text []byte) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(string(text), "?"))
}

func (m *machine) receiveData(h header, payload []byte, a arrival) error {
	frame := a.frame
	if h.seq != m.arrived+1 {
		m.free(frame)
		what := "a frame is missing"
		if h.seq <= m.arrived {
			what = "a frame came again or out of order"
		}
		return m.fail(ErrProtocol, Prev, fmt.Errorf("frame %d came where %d was due: %s", h.seq, m.arrived+1, what))
	}
	m.arrived++
	if m.arrived-m.consumed > uint64(m.cfg.WindowFrames()) {
		m.free(frame)
		return m.fail(ErrProtocol, Prev, fmt.Errorf("more than %d frames in flight", m.cfg.WindowFrames()))
	}
	if m.recving == len(m.ops) {
		m.parked = append(m.parked, a)
		return nil
	}
	err := m.consume(h, payload)
	m.free(frame)
	return err
}

// unpark consumes parked frames as far as started collectives want them.
func (m *machine) unpark() error {
	n := 0
	for n < len(m.parked) && m.recving < len(m.ops) {
		a := m.parked[n]
		n++
		h, payload, err := m.parse(a)
		if err == nil {
			err = m.consume(h, payload)
		}
		m.free(a.frame)
		if err != nil {
			m.parked = append(m.parked[:0], m.parked[n:]...)
			return err
		}
	}
	m.parked = append(m.parked[:0], m.parked[n:]...)
	return nil
}

func (m *machine) receiveCredit(h header) error {
	if h.seq <= m.credited || h.seq > m.sent {
		return m.fail(ErrProtocol, Next, fmt.Errorf("credit for frame %d; %d were credited and %d sent", h.seq, m.credited, m.sent))
	}
	m.credited = h.seq
	return nil
}

func (m *machine) receiveBye(from Peer) error {
	if m.byeHeard[from] {
		return m.fail(ErrProtocol, from, errors.New("a second goodbye"))
	}
	m.byeHeard[from] = true
	if from == Prev && m.recving < len(m.ops) || from == Next && m.sending < len(m.ops) {
		return m.fail(ErrNeighbourLost, from, errors.New("it left before the collective was done"))
	}
	return nil
}

// consume applies a data frame to the collective that is due.
func (m *machine) consume(h header, payload []byte) error {
	o := m.ops[m.recving]
	if err := o.accept(h, payload); err != nil {
		return m.fail(kindOfMismatch(err), Prev, err)
	}
	m.consumed++
	m.advance()
	return nil
}
