package natsring

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"

	"ringloom/allreduce"
)

// lineBytes bounds a protocol line; INFO is the longest.
const lineBytes = 16 << 10

// errSyntax is matched when a server says something that is not NATS's client protocol.
var errSyntax = errors.New("not the NATS protocol")

// parser reads what a server sends: the client protocol of NATS (docs.nats.io, "Client Protocol"), as far as a ring
// meets it.
type parser struct {
	in   *bufio.Reader
	pool *allreduce.FramePool
}

func newParser(r io.Reader, pool *allreduce.FramePool) *parser {
	return &parser{in: bufio.NewReaderSize(r, lineBytes), pool: pool}
}

type verb uint8

const (
	verbInfo verb = iota + 1
	verbMessage
	verbPing
	verbPong
	verbOK
	verbError
)

// event is one thing that a server said.
type event struct {
	verb  verb
	text  []byte // INFO's JSON, -ERR's reason; valid until the next event
	sid   int    // of the subscription that a message belongs to
	frame []byte // the message without NATS headers, in a buffer from the pool; the caller's
}

// next reads one event. The error is the reader's, or matches errSyntax.
func (p *parser) next() (event, error) {
	line, err := p.in.ReadSlice('\n')
	if err != nil {
		if errors.Is(err, bufio.ErrBufferFull) {
			err = fmt.Errorf("%w: a line of over %d bytes", errSyntax, lineBytes)
		}
		return event{}, err
	}
	line = bytes.TrimRight(line, "\r\n")
	word, rest, _ := bytes.Cut(line, []byte(" "))
	switch string(word) {
	case "MSG":
		return p.message(rest, false)
	case "HMSG":
		return p.message(rest, true)
	case "PING":
		return event{verb: verbPing}, nil
	case "PONG":
		return event{verb: verbPong}, nil
	case "+OK":
		return event{verb: verbOK}, nil
	case "-ERR":
		return event{verb: verbError, text: bytes.Trim(rest, "' ")}, nil
	case "INFO":
		return event{verb: verbInfo, text: rest}, nil
	}
	return event{}, fmt.Errorf("%w: %.40q", errSyntax, line)
}

// message reads the body after "subject sid [reply] bytes", or "subject sid [reply] header-bytes bytes". Bodies go
// straight from the connection into a buffer of the pool; headers are skipped.
func (p *parser) message(arguments []byte, headers bool) (event, error) {
	var fields [5][]byte
	n := 0
	for len(arguments) > 0 {
		var field []byte
		field, arguments, _ = bytes.Cut(arguments, []byte(" "))
		if len(field) == 0 {
			continue
		}
		if n == len(fields) {
			return event{}, fmt.Errorf("%w: a message with too many arguments", errSyntax)
		}
		fields[n] = field
		n++
	}
	counts := 1
	if headers {
		counts = 2
	}
	if n != 2+counts && n != 3+counts {
		return event{}, fmt.Errorf("%w: a message with %d arguments", errSyntax, n)
	}
	sid, err := number(fields[1])
	if err != nil {
		return event{}, err
	}
	size, err := number(fields[n-1])
	if err != nil {
		return event{}, err
	}
	skip := 0
	if headers {
		if skip, err = number(fields[n-2]); err != nil {
			return event{}, err
		}
	}
	buffer := p.pool.Get()
	if skip > size || size-skip > cap(buffer) {
		p.pool.Put(buffer)
		return event{}, fmt.Errorf("%w: a message of %d bytes with %d of headers; frames have %d at most", errSyntax, size, skip, cap(buffer))
	}
	e := event{verb: verbMessage, sid: sid, frame: buffer[:size-skip]}
	if err := p.body(e.frame, skip); err != nil {
		p.pool.Put(buffer)
		return event{}, err
	}
	return e, nil
}

// body reads len(frame) bytes after skip bytes, and the line end after them.
func (p *parser) body(frame []byte, skip int) error {
	if _, err := p.in.Discard(skip); err != nil {
		return err
	}
	if _, err := io.ReadFull(p.in, frame); err != nil {
		return err
	}
	for _, want := range []byte("\r\n") {
		got, err := p.in.ReadByte()
		if err != nil {
			return err
		}
		if got != want {
			return fmt.Errorf("%w: a message does not end where it should", errSyntax)
		}
	}
	return nil
}

// number reads a small decimal.
func number(field []byte) (int, error) {
	n, err := strconv.ParseUint(string(field), 10, 31)
	if err != nil {
		return 0, fmt.Errorf("%w: %.40q is not a number", errSyntax, field)
	}
	return int(n), nil
}
