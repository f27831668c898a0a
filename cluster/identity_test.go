package cluster

import (
	"bytes"
	"io"
	"log"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/memberlist"
)

// intruder is a holder of the gossip key who speaks memberlist, but is no member of the view.
func intruder(t *testing.T, key []byte, first *Node) *memberlist.Memberlist {
	t.Helper()
	c := memberlist.DefaultLocalConfig()
	c.Name, c.Label, c.SecretKey = "intruder", "test", key
	c.BindAddr, c.BindPort, c.AdvertisePort = "127.0.0.1", 0, 0
	c.Logger = log.New(io.Discard, "", 0)
	ml, err := memberlist.Create(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ml.Shutdown() })
	if _, err := ml.Join([]string{first.Self().Addr}); err != nil {
		t.Fatal(err)
	}
	return ml
}

// gossipTarget is a member as memberlist addresses it.
func gossipTarget(t *testing.T, m Member) *memberlist.Node {
	t.Helper()
	host, port, err := net.SplitHostPort(m.Addr)
	if err != nil {
		t.Fatal(err)
	}
	p, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		t.Fatal(err)
	}
	return &memberlist.Node{Name: m.ID, Addr: net.ParseIP(host), Port: uint16(p)}
}

// Who has the gossip key, as every member has, still cannot speak for another member.
func TestForgedReportIsIgnored(t *testing.T) {
	nodes, views := form(t, 2)
	ml := intruder(t, nodes[0].cfg.gossipKey(), nodes[0])
	victim, innocent := nodes[0].Self(), nodes[1].Self()
	for seq := range uint64(20) { // one of them is the number that is due
		text := frame{From: innocent.ID, To: victim.ID, Seq: seq + 1, Msg: &message{
			Kind: msgReport, Generation: 1, Report: &report{Kind: Primary, Text: "forged", At: time.Now()},
		}}.encode()
		for _, b := range [][]byte{text, sign(make([]byte, SecretBytes), text), sign([]byte(innocent.ID), text)} {
			if err := ml.SendReliable(gossipTarget(t, victim), b); err != nil {
				t.Fatal(err)
			}
		}
	}
	// What the members say themselves still arrives, after all of that.
	each(nodes, func(i int, n *Node) {
		if err := n.Finish(within(t)); err != nil {
			t.Errorf("rank %d: %v", i, err)
		}
		if err := views[i].Cause(); err != nil {
			t.Errorf("the view of rank %d has ended: %v", i, err)
		}
	})
}

func TestSecretIsOfTwoMembers(t *testing.T) {
	nodes, _ := form(t, 3)
	secret := func(here, there int) []byte {
		s, err := nodes[here].Secret(there)
		if err != nil || len(s) != SecretBytes {
			t.Fatalf("rank %d with rank %d: %d bytes, %v", here, there, len(s), err)
		}
		return s
	}
	if !bytes.Equal(secret(0, 1), secret(1, 0)) {
		t.Error("ranks 0 and 1 have different secrets")
	}
	if bytes.Equal(secret(0, 1), secret(0, 2)) || bytes.Equal(secret(0, 1), secret(1, 2)) {
		t.Error("a third rank knows the secret of two")
	}
	if _, err := nodes[0].Secret(3); err == nil {
		t.Error("a rank that is not there has a secret")
	}
}

// A public key that was not made with a node is not taken for that node's.
func TestForgedKeyIsIgnored(t *testing.T) {
	one, err := newIdentity()
	if err != nil {
		t.Fatal(err)
	}
	other, err := newIdentity()
	if err != nil {
		t.Fatal(err)
	}
	b, err := encodeMeta(Member{Key: other.public()})
	if err != nil {
		t.Fatal(err)
	}
	node := &memberlist.Node{Name: incarnation("a", one.public()), Addr: []byte{10, 0, 0, 1}, Port: 4000, Meta: b}
	if _, err := decodeMember(node); err == nil || !strings.Contains(err.Error(), "public key") {
		t.Errorf("%v", err)
	}
}

// A member cannot keep another one busy with what no message has.
func TestLargeFramesAreRefused(t *testing.T) {
	big := strings.Repeat("x", maxPlainBytes)
	for name, m := range map[string]message{
		"report": {Kind: msgReport, Report: &report{Text: big}},
		"bye":    {Kind: msgBye, Subject: big},
		"digest": {Kind: msgRefuse, Digest: Digest{{"model", strings.Repeat(big, 8)}}},
		"view":   {Kind: msgPropose, Members: []Member{{Name: strings.Repeat(big, 9)}}},
		"other":  {Kind: "other", Subject: big},
	} {
		b := frame{From: "a~0", To: "b~0", Seq: 1, Msg: &m}.encode()
		if _, err := decodeFrame(b, 2); err == nil || !strings.Contains(err.Error(), "are the most") {
			t.Errorf("%s of %d bytes: %v", name, len(b), err)
		}
	}
}

// A view of a hundred nodes whose every field is as long as it may be still fits.
func TestLargestProposalFits(t *testing.T) {
	who, err := newIdentity()
	if err != nil {
		t.Fatal(err)
	}
	var members []Member
	for range 100 {
		name := strings.Repeat("\x01", 64) // six bytes each in JSON
		members = append(members, Member{
			ID: incarnation(name, who.public()), Name: name, Addr: "[fe80:1111:2222:3333:4444:5555:6666:7777]:65535",
			NATSAddr: strings.Repeat("\x01", 100), Device: strings.Repeat("\x01", 50), Hardware: strings.Repeat("\x01", 50),
			Key: who.public(), Birth: time.Now(), Hash: Digest{}.hash(),
		})
	}
	b := frame{From: members[0].ID, To: members[1].ID, Seq: 1, Msg: &message{Kind: msgPropose, Members: members}}.encode()
	if _, err := decodeFrame(b, len(members)); err != nil {
		t.Error(err)
	}
}

// Two jobs that have the same key do not mix, and a node that joins the wrong one says so.
func TestOtherJob(t *testing.T) {
	first := start(t, testConfig(t, 0, 2))
	cfg := testConfig(t, 1, 2, first.Self().Addr)
	cfg.Job, cfg.JoinTimeout = "other", 2*time.Second
	_, err := start(t, cfg).WaitView(within(t))
	if err == nil || !strings.Contains(err.Error(), errOtherJob.Error()) {
		t.Errorf("%v", err)
	}
}
