package natsringtest

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"strconv"
)

// message is one thing that a client says: a protocol line, and a payload if it publishes.
type message struct {
	line    []byte // without its end
	payload []byte // nil unless the line begins with PUB
}

// maxPayload is what servers take at most.
const maxPayload = 64 << 20

// readMessage reads what the official client and the ring's own say: the core protocol without headers.
func readMessage(in *bufio.Reader) (message, error) {
	line, err := in.ReadBytes('\n')
	if err != nil {
		return message{}, err
	}
	m := message{line: bytes.TrimRight(line, "\r\n")}
	if !bytes.HasPrefix(m.line, []byte("PUB ")) {
		return m, nil
	}
	size, err := strconv.Atoi(string(m.line[bytes.LastIndexByte(m.line, ' ')+1:]))
	if err != nil || size < 0 || size > maxPayload {
		return message{}, fmt.Errorf("a message that does not end in its size: %q", m.line)
	}
	m.payload = make([]byte, size)
	if _, err := io.ReadFull(in, m.payload); err != nil {
		return message{}, err
	}
	_, err = in.Discard(len("\r\n"))
	return m, err
}

// published says whether m is a message that a subscriber gets.
func (m message) published() bool { return m.payload != nil }

// resized is m with its payload cut to size bytes.
func (m message) resized(size int) message {
	head := m.line[:bytes.LastIndexByte(m.line, ' ')+1]
	return message{line: strconv.AppendInt(bytes.Clone(head), int64(size), 10), payload: m.payload[:size:size]}
}

// bytes is m as it stands on the wire.
func (m message) bytes() []byte {
	b := append(bytes.Clone(m.line), "\r\n"...)
	if m.payload != nil {
		b = append(append(b, m.payload...), "\r\n"...)
	}
	return b
}
