package run

import (
	"net"
	"strconv"
	"time"

	"go.uber.org/zap"

	"ringloom/cluster"
)

// MemberConfig says who this process is in a cluster, and how it reaches the others.
type MemberConfig struct {
	// WorldSize is the number of nodes of the cluster, this one included. Required, but for a node that joins an elastic job that runs
	// already: there 0 takes whatever is there.
	WorldSize int
	// Elastic says whether the job outlives its ranks. All nodes must agree on Elastic.On.
	Elastic ElasticConfig
	// Bind is the IP address and port on which to gossip; port 0 takes a free one. Default 127.0.0.1:0, which only this machine reaches.
	Bind string
	// Advertise is the address, without a port, at which the others reach this node. Default: that of Bind; where that is all interfaces,
	// a private one.
	Advertise string
	// Join are addresses of nodes to join; a name may stand for several. The first node needs none.
	Join []string
	// JoinTimeout is how long the nodes may take to find each other. Default a minute.
	JoinTimeout time.Duration
	// Job names the job; nodes of others are refused. Default "ringloom".
	Job string
	// Name is what messages call this node. Default: host name and process number.
	Name string
	// Key is the secret of the job, at least MinKeyBytes random bytes: who has it may join, and all that leaves the machine is encrypted
	// with keys that come from it. Default: where only this machine reaches the node, the key that lies in a private folder of this user.
	Key []byte
	// Insecure does without a key: anybody who reaches the ports can join, and everything travels in clear text. Default false, and a
	// node that other machines reach must have a key.
	Insecure bool
	// Birth orders the ranks: the oldest leads. Default: the time of joining.
	Birth time.Time

	// NATSURL is a NATS server or cluster to use. It may name a user and password, or a token, which are shown to nobody. Empty, the
	// default: an embedded server on every node.
	NATSURL string
	// NATSBind is the IP address and port of the embedded server. Default: the host of Bind and a free port.
	NATSBind string
	// NATSToken is what the server of NATSURL demands, as text. Embedded ones have a credential that comes from Key, and demand this
	// beside it. Default: none.
	NATSToken string

	// OwnCores says that this process is bound to cores that no other rank computes on. Default false.
	OwnCores bool
	// SetProcessors sets the number of threads that run Go code at the same time, which belongs to the process: it is for whoever has
	// one node in it. It is called in a step's path. Default: it is left alone.
	SetProcessors func(n int)
	// Announce is called with the address at which others may join this node, before it waits for them; again where the node comes back to an
	// elastic job that has gone on without it, at another one. An error ends the run.
	// Default: nobody is told.
	Announce func(address string) error
	// ClusterLog gets the log of the gossip. Default: none.
	ClusterLog *zap.Logger
}

// DefaultMemberConfig is a MemberConfig with all defaults; WorldSize is still to be set.
func DefaultMemberConfig() MemberConfig {
	return MemberConfig{Bind: "127.0.0.1:0", JoinTimeout: cluster.Default().JoinTimeout, Job: "ringloom"}
}

// Validate refuses what can be refused before anything is opened.
func (c MemberConfig) Validate() error {
	if err := c.Elastic.Validate(c); err != nil {
		return err
	}
	switch {
	case c.WorldSize < 1 && !c.joinsOnly():
		return settingError("expect", " %d: say how many nodes the cluster has, at least 1", c.WorldSize)
	case c.JoinTimeout <= 0:
		return settingError("join-timeout", " %v: give a positive time, such as 1m", c.JoinTimeout)
	case c.NATSURL != "" && c.NATSBind != "":
		return settingError("nats", " and --nats-bind exclude each other: an external server is already bound")
	}
	if _, _, err := hostPort("bind", c.Bind); err != nil {
		return err
	}
	if host, _, err := net.SplitHostPort(c.Advertise); err == nil {
		return settingError("advertise", " %q: give the address alone, such as %s: the port is that of --bind", c.Advertise, host)
	}
	if c.NATSBind != "" {
		if _, _, err := hostPort("nats-bind", c.NATSBind); err != nil {
			return err
		}
	}
	return c.checkKey()
}

// hostPort divides an address of this machine.
func hostPort(name, address string) (host string, port int, err error) {
	host, p, err := net.SplitHostPort(address)
	if err == nil {
		port, err = strconv.Atoi(p)
	}
	if err != nil || port < 0 || port > 65535 || net.ParseIP(host) == nil {
		return "", 0, settingError(name, " %q: give an IP address and a port, such as 0.0.0.0:7946 or [::]:7946", address)
	}
	return host, port, nil
}

// NATSKind tells an external server from embedded ones without showing its address, which may hold a password. All nodes must agree
// on it.
func (c MemberConfig) NATSKind() string {
	if c.NATSURL == "" {
		return "embedded"
	}
	return "external"
}
