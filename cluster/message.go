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
	msgAccept   messageKind = "accept"   // member: yes (Attempt); with 0: say it again
	msgWithdraw messageKind = "withdraw" // leader: that proposal is void (Attempt)
	msgCommit   messageKind = "commit"   // leader: all have accepted, the view begins (Generation, Attempt)
	msgRefuse   messageKind = "refuse"   // you cannot join: with Digest because yours differs, without because the view is full (Ranks)
	msgRefused  messageKind = "refused"  // I have failed on your refusal; this is my Digest
	msgReport   messageKind = "report"   // this rank has stopped (Generation, Report)
	msgLost     messageKind = "lost"     // the Subject is dead (Generation, Subject, Evidence, At = last heard)
	msgDone     messageKind = "done"     // this rank's part of the job is finished (Generation)
	msgBye      messageKind = "bye"      // I leave the gossip now; what follows is no death (Generation; Leaving: my work had stopped)

	// Of elastic jobs. Generation is that of the view whose members agree on the next one, but in msgView.
	msgNext    messageKind = "next"    // I am in Next (Generation, Leaving)
	msgPrepare messageKind = "prepare" // candidate: take part in this ballot? (Generation, Ballot, Joining, Proven)
	msgPromise messageKind = "promise" // member: yes (Generation, Ballot; Accepted, Choice: what it accepted before; Before: lower ones that may let nodes join; Leaving, Proven)
	msgNack    messageKind = "nack"    // member: no (Generation, Ballot; Accepted: the higher one that it has promised)
	msgChoose  messageKind = "choose"  // candidate: accept this value (Generation, Ballot, Choice, Proven)
	msgChosen  messageKind = "chosen"  // member: accepted (Generation, Ballot)
	msgView    messageKind = "view"    // this view runs (Generation, Ballot, Choice)
	msgAsk     messageKind = "ask"     // which view runs? (Generation: mine); with 0: I want to join (Attempt: the latest view of which I was told)
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
	Ballot     ballot      `json:"ballot,omitzero"`
	Accepted   ballot      `json:"accepted,omitzero"`
	Before     []ballot    `json:"before,omitempty"`
	Choice     *choice     `json:"choice,omitempty"`
	Proven     []string    `json:"proven,omitempty"`
	Joining    bool        `json:"joining,omitempty"`
	Leaving    bool        `json:"leaving,omitempty"`
}

// The most bytes that a frame takes, by what is in it: a view's members, a digest, a reason. What is larger is not even
// decoded, or a member could keep another one busy until it looks dead.
const (
	maxPlainBytes  = 16 << 10 // a reason has 2,000 bytes, which JSON may make six of each
	maxDigestBytes = 128 << 10
	memberBytes    = 4 << 10 // identifier, names and hardware fit into 512 bytes of metadata and a name of 64
)

// maxFrameBytes bounds any frame of a job of so many ranks.
func maxFrameBytes(size int) int { return max(maxDigestBytes, maxPlainBytes+size*memberBytes) }

// maxBytes bounds a frame with this kind of message, in a job of so many ranks.
func (k messageKind) maxBytes(size int) int {
	switch k {
	case msgPropose, msgPromise, msgChoose, msgView:
		return maxFrameBytes(size)
	case msgPrepare:
		return maxPlainBytes + size*2*maxIDBytes
	case msgRefuse, msgRefused:
		return maxDigestBytes
	}
	return maxPlainBytes
}

// frame is what travels: a message with its place in the order of its sender's messages to this receiver, and an
// acknowledgement of the other direction. Seq 0 is an acknowledgement only. As JSON:
//
//	{"v":3,"from":"worker-1~0a1b2c3d...","epoch":2,"seq":3,"ack":7,"acked":1,"msg":{"kind":"done","gen":1}}
//
// On its way the sender's public key (32 bytes) and its signature of the JSON (64 bytes) go before it.
type frame struct {
	Version int      `json:"v"`
	From    string   `json:"from"`
	To      string   `json:"to"`
	Epoch   uint64   `json:"epoch,omitempty"` // of Seq, which begins anew with each
	Seq     uint64   `json:"seq,omitempty"`
	Ack     uint64   `json:"ack,omitempty"`
	Acked   uint64   `json:"acked,omitempty"` // the epoch of Ack
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
	f, err := decodeFrame(body, worldSize)
	if err != nil {
		return frame{}, err
	}
	if err := verify(f.From, public, signature, signedFrame, string(body)); err != nil {
		return frame{}, fmt.Errorf("cluster: a message in the name of %s: %w", f.From, err)
	}
	return f, nil
}

// decodeFrame reads a frame of a job of so many ranks. What of it people may see is printable.
func decodeFrame(b []byte, size int) (frame, error) {
	var f frame
	if most := maxFrameBytes(size); len(b) > most {
		return frame{}, fmt.Errorf("cluster: a frame of %d bytes; %d are the most", len(b), most)
	}
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
	case f.Msg != nil && len(b) > f.Msg.Kind.maxBytes(size):
		return frame{}, fmt.Errorf("cluster: a message of kind %.20q in %d bytes; %d are the most", f.Msg.Kind, len(b), f.Msg.Kind.maxBytes(size))
	case f.Msg != nil && f.Msg.Choice != nil && !f.Msg.Choice.valid():
		return frame{}, fmt.Errorf("cluster: what %s chooses is no view", f.From)
	case f.Msg != nil && f.Msg.Kind == msgReport && f.Msg.Report == nil:
		return frame{}, fmt.Errorf("cluster: report of %s is empty", f.From)
	}
	if f.Msg != nil && f.Msg.Report != nil {
		f.Msg.Report.Text = oneLine(f.Msg.Report.Text)
	}
	return f, nil
}
