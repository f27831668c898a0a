package cluster

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"
)

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
	who := newIdentity()
	var members []Member
	for range 100 {
		name := strings.Repeat("<", 64) // six bytes each in JSON
		members = append(members, Member{
			ID: who.id(name), Name: name, Addr: "[fe80:1111:2222:3333:4444:5555:6666:7777]:65535",
			NATSAddr: strings.Repeat("<", 100), Device: strings.Repeat("<", 50), Hardware: strings.Repeat("<", 50),
			Key: who.agree.PublicKey().Bytes(), Birth: time.Now(), Hash: Digest{}.hash(),
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
	cfg.Job = "other"
	_, err := start(t, cfg).WaitView(within(t))
	var mismatch *JobMismatch
	if !errors.As(err, &mismatch) || mismatch.Job != "other" || mismatch.Theirs != testConfig(t, 0, 2).Job || mismatch.Addr != first.Self().Addr {
		t.Errorf("%v", err)
	}
}
