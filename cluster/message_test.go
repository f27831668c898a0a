package cluster

import (
	"reflect"
	"testing"
	"time"

	"github.com/hashicorp/memberlist"
)

// FuzzFrame: whatever comes, decoding does not panic, and what decodes is the same after a round trip.
func FuzzFrame(f *testing.F) {
	at := time.Date(2024, 5, 1, 12, 0, 0, 0, time.UTC)
	for _, m := range []message{
		{Kind: msgPropose, Generation: 1, Attempt: 2, Members: []Member{{ID: "a~0", Name: "a", PID: 7, Addr: "10.0.0.1:4000", Birth: at, Hash: "x"}}},
		{Kind: msgRefuse, Digest: Digest{{"model", "lenet"}}},
		{Kind: msgReport, Generation: 1, Report: &report{Primary, "loss is NaN", at}},
		{Kind: msgLost, Generation: 1, Subject: "b~0", Evidence: Silent, At: at},
		{Kind: msgPrepare, Generation: 1, Ballot: ballot{2, 1}, Joining: true, Proven: []string{"b~0"}},
		{
			Kind: msgPromise, Generation: 1, Ballot: ballot{2, 1}, Accepted: ballot{1, 0}, Before: []ballot{{1, 0}}, Leaving: true,
			Choice: &choice{Members: []Member{{ID: "a~0", Birth: at}}, Former: []int{0}, Ghosts: []Member{{ID: "c~0", Birth: at}}, Idle: true},
		},
	} {
		f.Add(frame{From: "a~0", To: "b~0", Seq: 3, Ack: 9, Msg: &m}.encode())
	}
	f.Add(frame{From: "a~0", To: "b~0", Ack: 9}.encode())
	f.Fuzz(func(t *testing.T, b []byte) {
		first, err := decodeFrame(b, 4)
		if err != nil {
			return
		}
		again, err := decodeFrame(first.encode(), 4)
		if err != nil {
			t.Fatalf("%q decodes once only: %v", b, err)
		}
		if x, y := string(first.encode()), string(again.encode()); x != y {
			t.Fatalf("%s became %s", x, y)
		}
	})
}

func TestMetadata(t *testing.T) {
	m := Member{Name: "a.1", PID: 7, Addr: "10.0.0.1:4000", NATSAddr: "nats://10.0.0.1:4222", Device: "cuda:1", Hardware: "NVIDIA H200 (GPU-5c4e1a2b-0000-1111-2222-333344445555)", Birth: time.Unix(0, 1714564800123456789), Hash: "0123"}
	who := newIdentity()
	m.ID, m.Key = who.id(m.Name), who.agree.PublicKey().Bytes()
	b, err := encodeMeta(m, who)
	if err != nil {
		t.Fatal(err)
	}
	node := &memberlist.Node{Name: m.ID, Addr: []byte{10, 0, 0, 1}, Port: 4000, Meta: b}
	got, err := decodeMember(node)
	if err != nil || !reflect.DeepEqual(got, m) {
		t.Errorf("%+v, %v, want %+v", got, err, m)
	}
	for _, bad := range []string{"", "{", `{"v":4}`, `{"v":3}`, "serf"} {
		node.Meta = []byte(bad)
		if _, err := decodeMember(node); err == nil {
			t.Errorf("metadata %q is accepted", bad)
		}
	}
}

// FuzzReceive: a core survives any message of a peer, in every phase.
func FuzzReceive(f *testing.F) {
	for _, k := range []messageKind{
		msgPropose, msgAccept, msgWithdraw, msgCommit, msgRefuse, msgRefused, msgReport, msgLost, msgDone, msgBye,
		msgNext, msgPrepare, msgPromise, msgNack, msgChoose, msgChosen, msgView, msgAsk,
	} {
		f.Add(string(k), uint64(1), uint64(1), "b~0", uint8(3), 0)
		f.Add(string(k), uint64(1), uint64(1), "b~0", uint8(7), 0)
	}
	f.Fuzz(func(t *testing.T, kind string, generation, attempt uint64, subject string, phase uint8, rank int) {
		now := time.Date(2024, 5, 1, 12, 0, 0, 0, time.UTC)
		d := Digest{{"model", "lenet"}}
		member := func(id string, age int) Member {
			return Member{ID: id, Name: nameOf(id), Birth: now.Add(time.Duration(age)), Hash: d.hash()}
		}
		a, b := member("a~0", 1), member("b~0", 2)
		elastic := newElastic(Config{Elastic: phase&4 != 0, WorldSize: 2, ElasticWait: time.Minute})
		phase &= 3
		c := newCore(now, b, "j", d, 2, time.Minute, elastic)
		c.up(now, a)
		if phase > 0 {
			c.receive(now, a.ID, message{Kind: msgPropose, Generation: 1, Attempt: 1, Members: []Member{a, b}})
		}
		if phase > 1 {
			c.receive(now, a.ID, message{Kind: msgCommit, Generation: 1, Attempt: 1})
		}
		if phase > 2 && !c.on {
			c.finish()
		}
		if phase > 2 && c.on {
			c.next(now, 1, false)
		}
		msg := message{
			Kind: messageKind(kind), Generation: generation, Attempt: attempt, Subject: subject, Members: []Member{member(subject, 0), b},
			Report: &report{Kind: Kind(subject)}, Ballot: ballot{attempt, rank}, Accepted: ballot{generation, rank}, Before: []ballot{{attempt, rank}},
			Proven: []string{subject},
		}
		if v := (&choice{Members: []Member{member(subject, 0), b}, Former: []int{rank, 1}}); v.valid() {
			msg.Choice = v
		}
		c.receive(now, a.ID, msg)
		c.receive(now, a.ID, msg)
		c.tick(now.Add(time.Hour))
		c.take()
		c.explained()
		if c.view != nil {
			_ = c.root(0)
		}
	})
}
