package cluster

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/memberlist"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"ringloom/internal/sysinfo"
)

const testKey = "a secret of the job's nodes"

// formKeyed forms a job with a key, whose first node's log is observed.
func formKeyed(t *testing.T, size int) ([]*Node, []View, *observer.ObservedLogs) {
	t.Helper()
	seen, logs := observer.New(zap.WarnLevel)
	var nodes []*Node
	for i := range size {
		c := testConfig(t, i, size)
		c.Key = []byte(testKey)
		if i == 0 {
			c.Logger = zap.New(seen)
		} else {
			c.Join = []string{nodes[0].Self().Addr}
		}
		nodes = append(nodes, start(t, c))
	}
	return nodes, waitViews(t, nodes), logs
}

// settle returns when the loop of a node has taken everything that was posted before.
func settle(t *testing.T, n *Node) {
	t.Helper()
	if err := n.ask(func() {}); err != nil {
		t.Fatal(err)
	}
}

// Somebody without the key holds as many connections as he can: few stay open, the members go on, and a death is still
// noticed.
func TestHeldConnections(t *testing.T) {
	count := 2000
	if n := sysinfo.OpenFiles(); n > 0 {
		count = min(count, n/2)
	}
	nodes, views, logs := formKeyed(t, 2)
	before := openFiles(t)
	for range count {
		conn, err := net.Dial("tcp", nodes[0].Self().Addr)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
	}
	if n, most := openFiles(t)-before-count, maxStreams()+20; n > most {
		t.Errorf("the node has %d descriptors more, at most %d are right", n, most)
	}
	dead := nodes[1].Self()
	_ = nodes[1].Close()
	checkLost(t, waitEnd(t, views[0]), dead, 1)
	if n := logs.Len(); n > 10 {
		t.Errorf("%d lines are logged of it: %v", n, logs.All())
	}
}

// openFiles counts the descriptors of this process.
func openFiles(t *testing.T) int {
	t.Helper()
	all, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skip("SKIPPED, this system does not list a process's descriptors: ", err)
	}
	return len(all)
}

// Strangers announce 20 MB of encrypted state each and send it: it is not buffered.
func TestAnnouncedState(t *testing.T) {
	nodes, views, _ := formKeyed(t, 2)
	block := make([]byte, 64<<10)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			conn, err := net.Dial("tcp", nodes[0].Self().Addr)
			if err != nil {
				return
			}
			defer conn.Close()
			const encrypted = 10 // memberlist's message type
			if _, err := conn.Write(binary.BigEndian.AppendUint32([]byte{encrypted}, 20<<20)); err != nil {
				return
			}
			for range 4 << 20 / len(block) {
				if _, err := conn.Write(block); err != nil {
					return // it was closed
				}
			}
		})
	}
	wg.Wait()
	runtime.ReadMemStats(&after)
	if n := (after.TotalAlloc - before.TotalAlloc) >> 20; n > 50 {
		t.Errorf("%d MiB are allocated for strangers", n)
	}
	if err := views[0].Cause(); err != nil {
		t.Error(err)
	}
}

// A member's stream is bounded as well.
func TestStreamLength(t *testing.T) {
	nodes, _, _ := formKeyed(t, 1)
	conn, id, err := nodes[0].net.dial(nodes[0].Self().Addr, patience)
	if err != nil || id != nodes[0].Self().ID {
		t.Fatalf("%q, %v", id, err)
	}
	defer conn.Close()
	here, there := net.Pipe()
	defer here.Close()
	s := &stream{Conn: there, left: maxStreamBytes(2)}
	go func() {
		block := make([]byte, 64<<10)
		for {
			if _, err := here.Write(block); err != nil {
				return
			}
		}
	}()
	total := 0
	buf := make([]byte, 16<<10)
	for {
		n, err := s.Read(buf)
		total += n
		if err != nil {
			if !errors.Is(err, errTooLong) || int64(total) != maxStreamBytes(2) {
				t.Errorf("%d bytes, %v", total, err)
			}
			break
		}
	}
	_ = s.Close()
}

// Packets of nobody from thousands of addresses: some lines, some addresses, and a death is still noticed.
func TestForgedPackets(t *testing.T) {
	nodes, views, logs := formKeyed(t, 2)
	to, err := net.ResolveUDPAddr("udp", nodes[0].Self().Addr)
	if err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(1, 2))
	junk := make([]byte, 200)
	junk[0] = 1 // memberlist's version of encryption
	for i := range 2000 {
		from := &net.UDPAddr{IP: net.IPv4(127, 1, byte(i>>8), byte(i))}
		conn, err := net.DialUDP("udp", from, to)
		if err != nil {
			t.Skip("SKIPPED, this system has one loopback address only: ", err)
		}
		for range 10 {
			for j := range junk[1:] {
				junk[1+j] = byte(rng.Uint32())
			}
			_, _ = conn.Write(junk) // a full queue drops it
		}
		_ = conn.Close()
	}
	dead := nodes[1].Self()
	_ = nodes[1].Close()
	checkLost(t, waitEnd(t, views[0]), dead, 1)
	lines := 0
	for _, e := range logs.All() {
		if strings.Contains(e.Message, "gossip key or job differs") {
			lines++
		}
	}
	if lines == 0 || lines > 3 {
		t.Errorf("%d lines about strangers, want one a minute", lines)
	}
	var kept int
	if err := nodes[0].ask(func() { kept = len(nodes[0].core.strangers) }); err != nil || kept == 0 || kept > maxStrangers {
		t.Errorf("%d strangers are kept, %v", kept, err)
	}
}

// The summary of strangers is one line a minute, however many come.
func TestStrangerSummary(t *testing.T) {
	var told []string
	s, g := newStrangers(func(host string) { told = append(told, host) }), newGate(4)
	now := time.Date(2024, 5, 1, 12, 0, 0, 0, time.UTC)
	if line := s.summary(now, g); line != "" {
		t.Errorf("line %q of nobody", line)
	}
	for i := range 20000 {
		s.note(hostOf(&net.TCPAddr{IP: net.IPv4(10, 1, byte(i>>8), byte(i))}))
	}
	want := "turned away 20000 packets and connections whose gossip key or job differs from this node's, from 10.1.0.0, 10.1.0.1, 10.1.0.2, 10.1.0.3, 10.1.0.4, 10.1.0.5, 10.1.0.6, 10.1.0.7 and others"
	if line := s.summary(now, g); line != want {
		t.Errorf("line %q, want %q", line, want)
	}
	if len(told) != maxStrangers || len(s.hosts) > maxStrangers {
		t.Errorf("%d told, %d kept", len(told), len(s.hosts))
	}
	s.note(hostOf(&net.TCPAddr{IP: net.IPv4(10, 2, 0, 1)}))
	if line := s.summary(now.Add(59*time.Second), g); line != "" {
		t.Errorf("line %q too early", line)
	}
	if line := s.summary(now.Add(61*time.Second), g); !strings.Contains(line, "turned away 1 packets") || strings.Contains(line, "others") {
		t.Errorf("line %q", line)
	}
}

// Holders of the key who are not rank 1 report in its name: nobody believes it. What rank 1 says itself is believed.
func TestForgedReport(t *testing.T) {
	nodes, views, _ := formKeyed(t, 3)
	report := func(next delivered) []byte {
		r := report{Kind: Primary, Text: "disk full"}
		return frame{From: nodes[1].Self().ID, To: nodes[0].Self().ID, Epoch: next.epoch, Seq: next.seq, Msg: &message{Kind: msgReport, Generation: 1, Report: &r}}.encode()
	}
	var next delivered // of rank 1's messages to rank 0
	if err := nodes[0].ask(func() { next = nodes[0].inbox.last[nodes[1].Self().ID]; next.seq++ }); err != nil {
		t.Fatal(err)
	}
	other := newIdentity()
	for name, b := range map[string][]byte{
		"unsigned":           report(next),
		"signed by nobody":   other.seal(report(next)),
		"signed by rank 2":   nodes[2].who.seal(report(next)),
		"with rank 1's key":  append(append([]byte{}, nodes[1].who.public...), other.seal(report(next))[len(other.public):]...),
		"too large":          nodes[1].who.seal(append(report(next), make([]byte, 1<<20)...)),
		"too large for kind": nodes[1].who.seal(append(report(next), []byte(strings.Repeat(" ", 20<<10))...)),
	} {
		nodes[0].receive(b)
		settle(t, nodes[0])
		if err := views[0].Cause(); err != nil {
			t.Fatalf("%s: the view ends with %v", name, err)
		}
	}
	nodes[0].receive(nodes[1].who.seal(report(next)))
	var aborted *Aborted
	if err := waitEnd(t, views[0]); !errors.As(err, &aborted) || aborted.Rank != 1 || aborted.Reason != "disk full" {
		t.Errorf("the view ends with %v", err)
	}
}

// Somebody who may gossip says that rank 1 is dead: it is asked, and the view goes on.
func TestForgedDeath(t *testing.T) {
	seen, logs := observer.New(zap.WarnLevel)
	c := testConfig(t, 0, 2)
	c.Logger = zap.New(seen)
	first := start(t, c)
	second := start(t, testConfig(t, 1, 2, first.Self().Addr))
	nodes := []*Node{first, second}
	views := waitViews(t, nodes)

	// memberlist's message: type 5, then {Incarnation: 9, Node: rank 1, From: anybody} in msgpack.
	text := func(s string) []byte { return append([]byte{0xd9, byte(len(s))}, s...) }
	dead := []byte{5, 0x83}
	dead = append(append(dead, text("Incarnation")...), 9)
	dead = append(append(dead, text("Node")...), text(second.Self().ID)...)
	dead = append(append(dead, text("From")...), text("somebody~0")...)
	dead, err := memberlist.AddLabelHeaderToPacket(dead, c.Job)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := net.Dial("udp", first.Self().Addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.Write(dead); err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(patience)
	for logs.FilterMessageSnippet("was dead, but it answers").Len() == 0 {
		if err := views[0].Cause(); err != nil {
			t.Fatalf("the view ends with %v", err)
		}
		if time.Now().After(deadline) {
			t.Fatal("nothing is heard of the forged death")
		}
		time.Sleep(10 * time.Millisecond) // polls for a line of the log
	}
	each(nodes, func(i int, n *Node) {
		if err := n.Finish(within(t)); err != nil {
			t.Errorf("rank %d does not finish: %v", i, err)
		}
	})
}

// What others say in a node's name is no member: another address, other data, another identifier.
func TestForgedMember(t *testing.T) {
	who := newIdentity()
	m := Member{ID: who.id("a"), Name: "a", PID: 7, Addr: "10.0.0.1:4000", NATSAddr: "4222", Birth: time.Unix(0, 1), Hash: "0123"}
	good, err := encodeMeta(m, who)
	if err != nil {
		t.Fatal(err)
	}
	other := newIdentity()
	stolen, err := encodeMeta(m, other)
	if err != nil {
		t.Fatal(err)
	}
	node := func(id string, addr byte, b []byte) *memberlist.Node {
		return &memberlist.Node{Name: id, Addr: []byte{10, 0, 0, addr}, Port: 4000, Meta: b}
	}
	if _, err := decodeMember(node(m.ID, 1, good)); err != nil {
		t.Fatal(err)
	}
	for name, n := range map[string]*memberlist.Node{
		"another address":    node(m.ID, 2, good),
		"another identifier": node(other.id("a"), 1, good),
		"another key":        node(m.ID, 1, stolen),
		"other data":         node(m.ID, 1, []byte(strings.Replace(string(good), `"n":"4222"`, `"n":"4223"`, 1))),
		"a hostile name":     node("a\x1b[2J~"+fingerprint(who.public), 1, good),
		"a long name":        node(who.id(strings.Repeat("a", 100)), 1, good),
	} {
		if got, err := decodeMember(n); err == nil {
			t.Errorf("%s is accepted: %+v", name, got)
		} else if strings.ContainsRune(err.Error(), '\x1b') {
			t.Errorf("%s: the error %q commands a terminal", name, err)
		}
	}
}

// Gossip knows a bounded number of nodes, and believes no change of one that it knows without a signature.
func TestRoll(t *testing.T) {
	r := roll{most: 3}
	var nodes []*memberlist.Node
	for i := range 5 {
		who := newIdentity()
		m := Member{ID: who.id("a"), Name: "a", Addr: "10.0.0.1:4000", Birth: time.Unix(0, 1)}
		b, err := encodeMeta(m, who)
		if err != nil {
			t.Fatal(err)
		}
		n := &memberlist.Node{Name: m.ID, Addr: []byte{10, 0, 0, 1}, Port: 4000, Meta: b}
		nodes = append(nodes, n)
		for range 2 { // the second time from memory
			if _, err := r.decode(n); (err != nil) != (i >= 3) {
				t.Errorf("node %d: %v", i, err)
			}
		}
	}
	moved := *nodes[0]
	moved.Port++
	if _, err := r.decode(&moved); !errors.Is(err, errForged) {
		t.Errorf("a forged address: %v", err)
	}
	r.forget(nodes[0].Name)
	if _, err := r.decode(nodes[4]); err != nil {
		t.Errorf("there is no room again: %v", err)
	}
}

// What a peer says does not command the terminal that shows it.
func TestHostileText(t *testing.T) {
	const hostile = "\x1b[31mall is well\x1b[0m\x07\nrank 0 failed: \u202elies\u009b"
	clean := func(what, s string) {
		t.Helper()
		for _, r := range s {
			if r < ' ' || r >= 0x7f && r < 0xa0 || r == '\u202e' {
				t.Errorf("%s: %q", what, s)
				return
			}
		}
	}
	f := frame{From: "b~0", To: "a~0", Seq: 1, Msg: &message{Kind: msgReport, Generation: 1, Report: &report{Kind: Primary, Text: hostile}}}
	got, err := decodeFrame(f.encode(), 2)
	if err != nil {
		t.Fatal(err)
	}
	clean("report", got.Msg.Report.Text)
	f.From = hostile + "~0"
	if _, err := decodeFrame(f.encode(), 2); err == nil {
		t.Error("a hostile sender is accepted")
	} else {
		clean("sender", err.Error())
	}
	clean("differences", describe(diff(Digest{{"model", "lenet"}}, Digest{{"model", hostile}, {hostile, "x"}}), "it"))
	who := newIdentity()
	m := Member{ID: who.id("a"), Name: "a", Addr: "10.0.0.1:4000", NATSAddr: "\x1b", Device: "\x1b[2J", Hardware: "\u202e", Birth: time.Unix(0, 1), Hash: "\x07"}
	b, err := encodeMeta(m, who)
	if err != nil {
		t.Fatal(err)
	}
	read, err := decodeMember(&memberlist.Node{Name: m.ID, Addr: []byte{10, 0, 0, 1}, Port: 4000, Meta: b})
	if err != nil {
		t.Fatal(err)
	}
	clean("member", fmt.Sprintf("%s %s %s %s %s", read, read.Device, read.Hardware, read.NATSAddr, read.Hash))
	c := testConfig(t, 0, 1)
	c.Name = "a\x1bb"
	if err := c.Validate(); err == nil {
		t.Error("a hostile name is accepted")
	} else {
		clean("name", err.Error())
	}
}
