package cluster

import (
	"crypto/ed25519"
	"encoding/json"
	"fmt"
	"time"
)

// messageKind says what a message asks for.
type messageKind string

const (
	msgPropose  messageKind = "propose"  // leader: be in this view? (Generation, Attempt, Members)
	msgAccept   messageKind = "accept"   // member: yes (Attempt)
	msgWithdraw messageKind = "withdraw" // leader: that proposal is void (Attempt)
	msgCommit   messageKind = "commit"   // leader: all have accepted, the view begins (Generation, Attempt)
	msgRefuse   messageKind = "refuse"   // you cannot join: with Digest because yours differs, without because the view is full (Ranks)
	msgRefused  messageKind = "refused"  // I have failed on your refusal; this is my Digest
	msgReport   messageKind = "report"   // this rank has stopped (Generation, Report)
	msgLost     messageKind = "lost"     // the Subject is dead (Generation, Subject, Evidence, At = last heard)
	msgDone     messageKind = "done"     // this rank's part of the job is finished (Generation)
	msgBye      messageKind = "bye"      // I leave the gossip now; what follows is no death
)

// message is one step of the protocol between two nodes.
type message struct {
	Kind       messageKind `json:"kind"`
	Generation uint64      `json:"gen,omitempty"`
	Attempt    uint64      `json:"attempt,omitempty"`
	Members    []Member    `json:"members,omitempty"`
	Digest     Digest      `json:"digest,omitempty"`
	Ranks      int         `json:"ranks,omitempty"`
	Report     *report     `json:"report,omitempty"`
	Subject    string      `json:"subject,omitempty"`
	Evidence   Evidence    `json:"evidence,omitempty"`
	At         time.Time   `json:"at,omitzero"`
}

// frame is what travels: a message with its place in the order of its sender's messages to this receiver, and an
// acknowledgement of the other direction. Seq 0 is an acknowledgement only. As JSON:
//
//	{"v":2,"from":"worker-1~0a1b2c3d...","seq":3,"ack":7,"msg":{"kind":"done","gen":1}}
//
// On its way the sender's public key (32 bytes) and its signature of the JSON (64 bytes) go before it.
type frame struct {
	Version int      `json:"v"`
	From    string   `json:"from"`
	To      string   `json:"to"`
	Seq     uint64   `json:"seq,omitempty"`
	Ack     uint64   `json:"ack,omitempty"`
	Msg     *message `json:"msg,omitempty"`
}

func (f frame) encode() []byte {
	f.Version = protocolVersion
	b, err := json.Marshal(f)
	if err != nil {
		panic(fmt.Sprintf("cluster: a frame of plain fields must encode: %v", err)) // our own message, never a peer's
	}
	return b
}

const sealBytes = ed25519.PublicKeySize + ed25519.SignatureSize

// seal signs an encoded frame.
func (i identity) seal(frame []byte) []byte {
	b := append(make([]byte, 0, sealBytes+len(frame)), i.public...)
	b = append(b, i.sign(signedFrame, string(frame))...)
	return append(b, frame...)
}

// openFrame takes what has arrived, of which nothing is believed before its size and its signature are right.
func openFrame(b []byte, worldSize int) (frame, error) {
	if len(b) < sealBytes {
		return frame{}, fmt.Errorf("cluster: a message of %d bytes is too short for a signature", len(b))
	}
	public, signature, body := b[:ed25519.PublicKeySize], b[ed25519.PublicKeySize:sealBytes], b[sealBytes:]
	if most := maxFrameBytes(msgPropose, worldSize) + maxFrameBytes(msgRefuse, worldSize); len(body) > most {
		return frame{}, fmt.Errorf("cluster: a message of %d bytes is larger than any", len(body))
	}
	f, err := decodeFrame(body)
	if err != nil {
		return frame{}, err
	}
	if f.Msg != nil {
		if most := maxFrameBytes(f.Msg.Kind, worldSize); len(body) > most {
			return frame{}, fmt.Errorf("cluster: a message of kind %q has %d bytes, %d at most are right", f.Msg.Kind, len(body), most)
		}
	}
	if err := verify(f.From, public, signature, signedFrame, string(body)); err != nil {
		return frame{}, fmt.Errorf("cluster: a message in the name of %s: %w", f.From, err)
	}
	return f, nil
}

// decodeFrame reads a frame. What of it people may see is printable.
func decodeFrame(b []byte) (frame, error) {
	var f frame
	if err := json.Unmarshal(b, &f); err != nil {
		return frame{}, fmt.Errorf("cluster: frame: %w", err)
	}
	switch {
	case f.Version != protocolVersion:
		return frame{}, fmt.Errorf("cluster: frame of protocol version %d, want %d", f.Version, protocolVersion)
	case f.From == "" || f.To == "":
		return frame{}, fmt.Errorf("cluster: frame without sender or receiver")
	case validID(f.From) != nil:
		return frame{}, fmt.Errorf("cluster: frame: %w", validID(f.From))
	case (f.Seq == 0) != (f.Msg == nil):
		return frame{}, fmt.Errorf("cluster: frame %d from %s must have both a sequence number and a message, or neither", f.Seq, f.From)
	case f.Msg != nil && f.Msg.Kind == msgReport && f.Msg.Report == nil:
		return frame{}, fmt.Errorf("cluster: report of %s is empty", f.From)
	}
	if f.Msg != nil && f.Msg.Report != nil {
		f.Msg.Report.Text = oneLine(f.Msg.Report.Text)
	}
	return f, nil
}
