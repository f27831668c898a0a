package cluster

import (
	"bytes"
	"log"
	"time"

	"github.com/hashicorp/memberlist"
	"go.uber.org/zap"

	"ringloom/internal/printable"
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
	c.BindPort, c.AdvertisePort = t.port(), t.port()
	c.AdvertiseAddr = advertise
	c.SecretKey = key
	c.TCPTimeout = 3 * time.Second
	c.ProbeInterval = 500 * time.Millisecond
	c.ProbeTimeout = 300 * time.Millisecond
	c.SuspicionMult = 8
	c.SuspicionMaxTimeoutMult = 1 // few ranks: waiting longer for confirmations gains nothing
	c.AwarenessMaxMultiplier = 2
	c.GossipInterval = 40 * time.Millisecond // two members with their signatures fit into a packet
	c.PushPullInterval = 5 * time.Second     // so long a view waits where a packet about a node is lost once too often
	c.EnableCompression = false              // the messages are small
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
	_ memberlist.AliveDelegate = delegates{}
)

func (d delegates) NodeMeta(int) []byte             { return d.meta }
func (d delegates) GetBroadcasts(int, int) [][]byte { return nil }
func (d delegates) LocalState(bool) []byte          { return nil }
func (d delegates) MergeRemoteState([]byte, bool)   {}
func (d delegates) AckPayload() []byte              { return nil }
func (d delegates) NotifyUpdate(n *memberlist.Node) { d.NotifyJoin(n) }
func (d delegates) NotifyMsg(b []byte)              { d.n.receive(bytes.Clone(b)) }

func (d delegates) NotifyJoin(n *memberlist.Node) {
	m, err := d.n.roll.decode(n)
	if err != nil {
		d.n.log.Warn("ignore a node that gossips", zap.Error(err))
		return
	}
	d.n.mail.post(func() { d.n.core.up(time.Now(), m) })
}

// NotifyAlive keeps out of the gossip what is no node of this version, what somebody else says in a node's name, and
// more nodes than a job can have.
func (d delegates) NotifyAlive(n *memberlist.Node) error {
	_, err := d.n.roll.decode(n)
	return err
}

// NotifyLeave is called for what any node may claim, so a member of the view is asked before it is given up.
func (d delegates) NotifyLeave(n *memberlist.Node) {
	id := n.Name
	d.n.roll.forget(id)
	d.n.mail.post(func() { d.n.saidDead(id) })
}

func (d delegates) NotifyPingComplete(n *memberlist.Node, _ time.Duration, _ []byte) {
	id := n.Name
	d.n.mail.post(func() { d.n.core.heard(time.Now(), id) })
}

// gossipLog turns memberlist's log lines into zap's debug level.
type gossipLog struct{ log *zap.Logger }

func (g gossipLog) Write(b []byte) (int, error) {
	if e := g.log.Check(zap.DebugLevel, ""); e != nil {
		e.Message = printable.Text(string(bytes.TrimSpace(b)))
		e.Write()
	}
	return len(b), nil
}
