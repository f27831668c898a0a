package cluster

import (
	"bytes"
	"log"
	"net"
	"strings"
	"time"

	"github.com/hashicorp/memberlist"
	"go.uber.org/zap"
)

// gossipConfig tunes memberlist. A silent member is suspected after one failed probe (0.5 s), and has 8 * 0.5 s = 4 s
// from there to answer any of its peers (times log10 of the number of nodes above ten: 8 s for a hundred). So a node
// starved of CPU for 2 s lives, and a dead machine is noticed in about 5 s, 10 s with a hundred nodes. A killed process
// is noticed sooner, by its refused connections.
func gossipConfig(t *transport, id, job string, key []byte, advertise string, logger *log.Logger) *memberlist.Config {
	c := memberlist.DefaultLANConfig()
	c.Name = id
	c.Label = job // authenticated where there is a key: what one job says means nothing to another that has the same
	c.Transport = t
	c.BindPort, c.AdvertisePort = t.GetAutoBindPort(), t.GetAutoBindPort()
	c.AdvertiseAddr = advertise
	c.SecretKey = key
	c.TCPTimeout = 3 * time.Second
	c.ProbeInterval = 500 * time.Millisecond
	c.ProbeTimeout = 300 * time.Millisecond
	c.SuspicionMult = 8
	c.SuspicionMaxTimeoutMult = 1 // few ranks: waiting longer for confirmations gains nothing
	c.AwarenessMaxMultiplier = 2
	c.GossipInterval = 100 * time.Millisecond
	c.PushPullInterval = 15 * time.Second
	c.EnableCompression = false // the messages are small
	c.Logger = logger
	return c
}

// delegates is what memberlist calls. Its methods only post to the node's mailbox, because memberlist holds locks
// meanwhile.
type delegates struct {
	n    *Node
	meta []byte
}

var (
	_ memberlist.Delegate      = delegates{}
	_ memberlist.EventDelegate = delegates{}
	_ memberlist.PingDelegate  = delegates{}
)

func (d delegates) NodeMeta(int) []byte             { return d.meta }
func (d delegates) GetBroadcasts(int, int) [][]byte { return nil }
func (d delegates) LocalState(bool) []byte          { return nil }
func (d delegates) MergeRemoteState([]byte, bool)   {}
func (d delegates) AckPayload() []byte              { return nil }
func (d delegates) NotifyUpdate(n *memberlist.Node) { d.NotifyJoin(n) }
func (d delegates) NotifyMsg(b []byte)              { d.n.receive(b) }

func (d delegates) NotifyJoin(n *memberlist.Node) {
	m, err := decodeMember(n)
	if err != nil {
		d.n.log.Warn("ignore a node that gossips", zap.Error(err))
		return
	}
	d.n.mail.post(func() { d.n.core.up(time.Now(), m) })
}

func (d delegates) NotifyLeave(n *memberlist.Node) {
	id := n.Name
	d.n.mail.post(func() { d.n.core.down(id, Silent) })
}

func (d delegates) NotifyPingComplete(n *memberlist.Node, _ time.Duration, _ []byte) {
	id := n.Name
	d.n.mail.post(func() { d.n.core.heard(time.Now(), id) })
}

// gossipLog turns memberlist's log lines into zap's debug level, and picks out those that tell of a node with another
// key or job.
type gossipLog struct {
	log      *zap.Logger
	stranger func(host string)
}

func (g gossipLog) Write(b []byte) (int, error) {
	line := string(bytes.TrimSpace(b))
	g.log.Debug(line)
	if keyTrouble(line) || strings.Contains(line, "unacceptable label") {
		if _, from, ok := strings.Cut(line, "from="); ok {
			if host, _, err := net.SplitHostPort(from); err == nil {
				g.stranger(host)
			}
		}
	}
	return len(b), nil
}

// keyTrouble says whether a text of memberlist v0.7 tells that the two sides' keys differ. memberlist has no types for
// these errors, so this is the one place that goes by text; TestWrongKey fails if a new version words them differently.
func keyTrouble(text string) bool {
	text = strings.ToLower(text)
	for _, s := range []string{
		"no installed keys could decrypt the message",
		"remote state is encrypted and encryption is not configured",
		"encryption is configured but remote state is not encrypted",
	} {
		if strings.Contains(text, s) {
			return true
		}
	}
	return false
}
