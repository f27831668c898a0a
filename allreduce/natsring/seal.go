package natsring

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"

	"ringloom/allreduce"
	"ringloom/internal/gcm"
)

// What is sealed is encrypted and authenticated with AES-256-GCM, with keys that one direction of one ring edge has for
// itself: HKDF-SHA256 of what the two ranks share (Config.Secret) and of the subject on which the receiver gets it,
// which names job, view, ring, rank and side. WIRE.md has the layout.
//
// The keys of frames also depend on a number that each end has just drawn (the greetings tell it), so that the sequence
// number suffices as nonce: a key is never used twice, whatever Config.Secret is, and frames of an earlier ring do not
// open.

const (
	keyBytes      = 32
	tagBytes      = 16
	sequenceBytes = 8
	// SealBytes is how much longer a frame gets when it is sealed.
	SealBytes = tagBytes + sequenceBytes
	// greetingSealBytes is how much longer a greeting gets: by its nonce and tag.
	greetingSealBytes = 12 + tagBytes
	// drawnBytes is the size of the number that each end of an edge draws for a ring.
	drawnBytes = 16
	// minSecretBytes is the shortest Config.Secret.
	minSecretBytes = 16
)

var errUnsealed = fmt.Errorf("%w: it was not sealed by that rank: it was damaged on its way, or is forged", allreduce.ErrCorrupt)

func derive(secret, salt []byte, purpose, subject string) ([]byte, error) {
	return hkdf.Key(sha256.New, secret, salt, "ringloom "+purpose+" "+subject, keyBytes)
}

// greetingCipher seals what is said before the ring begins, with random nonces: a few messages a ring.
func greetingCipher(secret []byte, subject string) (cipher.AEAD, error) {
	key, err := derive(secret, nil, "greeting", subject)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithRandomNonce(block)
}

// edge is what this rank and a neighbour share, for both directions.
type edge struct {
	to, from    string // the subjects
	drawn       []byte // this end's number
	secret      []byte // nil: nothing is sealed
	say, listen cipher.AEAD
}

// newEdge asks for the secret with a neighbour, and draws this end's number.
func newEdge(cfg Config, peer allreduce.Peer) (edge, error) {
	rank := cfg.rankOf(peer)
	e := edge{to: cfg.subject(rank, 1-peer), from: cfg.subject(cfg.Ring.Rank, peer), drawn: make([]byte, drawnBytes)}
	rand.Read(e.drawn) // never fails
	if cfg.Secret == nil {
		return e, nil
	}
	var err error
	if e.secret, err = cfg.Secret(rank); err == nil && len(e.secret) < minSecretBytes {
		err = fmt.Errorf("%d bytes; at least %d are needed", len(e.secret), minSecretBytes)
	}
	if err == nil {
		e.say, err = greetingCipher(e.secret, e.to)
	}
	if err == nil {
		e.listen, err = greetingCipher(e.secret, e.from)
	}
	if err != nil {
		return edge{}, fmt.Errorf("%w: the secret with rank %d: %w", ErrConfig, rank, err)
	}
	return e, nil
}

func (e *edge) sealGreeting(text []byte) []byte {
	if e.secret == nil {
		return text
	}
	return e.say.Seal(nil, nil, text, nil)
}

func (e *edge) openGreeting(message []byte) ([]byte, error) {
	if e.secret == nil {
		return message, nil
	}
	text, err := e.listen.Open(nil, nil, message, nil)
	if err != nil {
		return nil, errUnsealed
	}
	return text, nil
}

// frameCiphers are those of frames to and from the neighbour, which has drawn a number; nil where nothing is sealed.
func (e *edge) frameCiphers(theirs []byte) (out, in cipher.AEAD, err error) {
	if e.secret == nil {
		return nil, nil, nil
	}
	if out, err = frameCipher(e.secret, e.to, e.drawn, theirs); err == nil {
		in, err = frameCipher(e.secret, e.from, theirs, e.drawn)
	}
	return out, in, err
}

// frameCipher seals frames from the rank that has drawn one number to the one that has drawn the other.
func frameCipher(secret []byte, subject string, sender, receiver []byte) (cipher.AEAD, error) {
	key, err := derive(secret, append(bytes.Clone(sender), receiver...), "frames", subject)
	if err != nil {
		return nil, err
	}
	return gcm.New(key)
}

// sealer seals frames in the order in which they are sent.
type sealer struct {
	aead     cipher.AEAD
	sequence uint64
	nonce    [12]byte
}

// seal encrypts a frame where it lies, which needs room for SealBytes behind it, and gives the message.
func (s *sealer) seal(frame []byte) []byte {
	s.sequence++
	binary.BigEndian.PutUint64(s.nonce[4:], s.sequence)
	message := s.aead.Seal(frame[:0], s.nonce[:], frame, nil)
	return binary.BigEndian.AppendUint64(message, s.sequence)
}

// opener opens them in the same order.
type opener struct {
	aead     cipher.AEAD
	sequence uint64 // of the last one
	nonce    [12]byte
}

// open decrypts a message where it lies. Errors match allreduce.ErrCorrupt where it is not the neighbour's, in which
// case nothing has changed, and allreduce.ErrProtocol or errAgain where it is not the one that is due.
func (o *opener) open(message []byte) ([]byte, error) {
	if len(message) < SealBytes {
		return nil, errUnsealed
	}
	sealed, tail := message[:len(message)-sequenceBytes], message[len(message)-sequenceBytes:]
	sequence := binary.BigEndian.Uint64(tail)
	copy(o.nonce[4:], tail)
	frame, err := o.aead.Open(sealed[:0], o.nonce[:], sealed, nil)
	if err != nil {
		return nil, errUnsealed
	}
	switch {
	case sequence <= o.sequence:
		return nil, fmt.Errorf("%w: message %d came where %d was due", errAgain, sequence, o.sequence+1)
	case sequence > o.sequence+1:
		return nil, fmt.Errorf("%w: message %d came where %d was due: one is missing", allreduce.ErrProtocol, sequence, o.sequence+1)
	}
	o.sequence = sequence
	return frame, nil
}

var errAgain = fmt.Errorf("%w: a message came again or out of order", allreduce.ErrProtocol)

// isForeign says whether a message may be somebody else's: forged, or a copy of one that this rank has had.
func isForeign(err error) bool {
	return errors.Is(err, allreduce.ErrCorrupt) || errors.Is(err, errAgain)
}
