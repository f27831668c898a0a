package cluster

import (
	"bytes"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net"

	"ringloom/internal/printable"
)

// Before memberlist sees a stream, both ends show that they have the job's gossip key. memberlist itself buffers up to
// 20 MB of whatever a stranger sends before it finds out that it cannot decrypt it. Nobody sends more than 66 bytes, or
// is believed, before:
//
//	listener: "ringloom" version:1 keyed:1 job:8 nonce:16
//	dialler:  "ringloom" version:1 keyed:1 job:8 nonce:16 mac:32    HMAC of "dial" and both greetings
//	listener: verdict:1 mac:32 length:1 name:length                 HMAC of "accept", both greetings, verdict and name
//
// The name is the listener's id, or its job's where that is another one.
// The job is the beginning of its name's SHA-256: two jobs may have the same key. The key of the HMAC (SHA-256) is derived from the gossip key by HKDF; without a gossip key it is a constant, and the
// handshake only tells a ringloom node from everything else. Both nonces are random, so nothing recorded can be
// replayed. A verdict other than granted ends the connection, and nothing follows it.
const (
	greetingMagic    = "ringloom"
	handshakeVersion = 2
	keyedAt          = len(greetingMagic) + 1
	jobAt            = keyedAt + 1
	nonceAt          = jobAt + 8
	greetingBytes    = nonceAt + 16
	macBytes         = sha256.Size
	maxIDBytes       = 64 + 1 + 2*fingerprintBytes

	granted  byte = 0
	otherKey byte = 1
	otherJob byte = 2
)

var (
	errOtherKey   = errors.New("its gossip key differs from this node's")
	errNoRingloom = errors.New("what answers there is no ringloom node of this version")
)

// secret is what the gossip key gives the handshake.
type secret struct {
	mac   []byte
	keyed bool
	name  string // of the job
	job   [nonceAt - jobAt]byte
}

func newSecret(gossipKey []byte, job string) secret {
	mac, err := hkdf.Key(sha256.New, gossipKey, nil, "ringloom gossip handshake", macBytes)
	if err != nil {
		panic(fmt.Sprintf("cluster: %v", err)) // only for lengths that this one is not
	}
	sum := sha256.Sum256([]byte(job))
	return secret{mac, len(gossipKey) > 0, job, [nonceAt - jobAt]byte(sum[:nonceAt-jobAt])}
}

func (s secret) greeting() []byte {
	b := append(make([]byte, 0, greetingBytes), greetingMagic...)
	keyed := byte(0)
	if s.keyed {
		keyed = 1
	}
	b = append(append(b, handshakeVersion, keyed), s.job[:]...)
	b = b[:greetingBytes]
	rand.Read(b[nonceAt:]) // never fails
	return b
}

func (s secret) sum(parts ...[]byte) []byte {
	h := hmac.New(sha256.New, s.mac)
	for _, p := range parts {
		h.Write(p)
	}
	return h.Sum(nil)
}

// known checks that a greeting is one of this version.
func known(greeting []byte) error {
	want := append([]byte(greetingMagic), handshakeVersion)
	if !bytes.HasPrefix(greeting, want) {
		return errNoRingloom
	}
	return nil
}

// otherJobError is a node of another job, whose name is printable.
type otherJobError struct{ job string }

func (e otherJobError) Error() string { return fmt.Sprintf("it is a node of job %q", e.job) }

// admit does the listener's part. The caller has set a deadline. Errors: errOtherKey, otherJobError (without a name),
// errNoRingloom, or the connection's.
func (s secret) admit(conn net.Conn, id string) error {
	mine := s.greeting()
	if _, err := conn.Write(mine); err != nil {
		return err
	}
	answer := make([]byte, greetingBytes+macBytes)
	if _, err := io.ReadFull(conn, answer[:greetingBytes]); err != nil {
		return err
	}
	theirs := answer[:greetingBytes]
	if err := known(theirs); err != nil {
		return err
	}
	if _, err := io.ReadFull(conn, answer[greetingBytes:]); err != nil {
		return err
	}
	verdict := granted
	switch {
	case theirs[keyedAt] != mine[keyedAt] || !hmac.Equal(answer[greetingBytes:], s.sum([]byte("dial"), mine, theirs)):
		verdict, id = otherKey, ""
	case !bytes.Equal(theirs[jobAt:nonceAt], mine[jobAt:nonceAt]):
		verdict, id = otherJob, s.name
	}
	named := append([]byte{byte(len(id))}, id...)
	reply := append([]byte{verdict}, s.sum([]byte("accept"), mine, theirs, []byte{verdict}, named)...)
	if _, err := conn.Write(append(reply, named...)); err != nil {
		return err
	}
	switch verdict {
	case otherKey:
		return errOtherKey
	case otherJob:
		return otherJobError{}
	}
	return nil
}

// greet does the dialler's part, and returns who listens. The caller has set a deadline.
func (s secret) greet(conn net.Conn) (id string, err error) {
	theirs := make([]byte, greetingBytes)
	if _, err := io.ReadFull(conn, theirs); err != nil {
		return "", err
	}
	if err := known(theirs); err != nil {
		return "", err
	}
	mine := s.greeting()
	if _, err := conn.Write(append(mine, s.sum([]byte("dial"), theirs, mine)...)); err != nil {
		return "", err
	}
	reply := make([]byte, 1+macBytes+1+maxIDBytes)
	head := reply[:1+macBytes+1]
	if _, err := io.ReadFull(conn, head); err != nil {
		return "", err
	}
	n := int(head[len(head)-1])
	if n > maxIDBytes {
		return "", errNoRingloom
	}
	if _, err := io.ReadFull(conn, reply[len(head):len(head)+n]); err != nil {
		return "", err
	}
	named := reply[len(head)-1 : len(head)+n]
	if head[0] == otherKey || !hmac.Equal(head[1:1+macBytes], s.sum([]byte("accept"), theirs, mine, head[:1], named)) {
		return "", errOtherKey
	}
	if head[0] == otherJob {
		return "", otherJobError{printable.Text(string(named[1:]))}
	}
	return string(named[1:]), nil
}
