package cluster

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"time"
	"unicode"

	"go.uber.org/zap"

	"ringloom/internal/printable"
)

// DefaultPort is the gossip port of an address to join that names none, if this node's own port is chosen by the
// system.
const DefaultPort = 7946

// Config says who a node is and whom it expects.
type Config struct {
	// Job names the job; members of another job are refused. At most 64 bytes. Required.
	Job string
	// Name is what messages call this node; at most 64 printable bytes without spaces or "~". Default: host name and process
	// number. Two nodes may share a name: what identifies them gets new digits on each start.
	Name string
	// BindAddr is the IP address on which to gossip. Default 127.0.0.1, which only this machine reaches: use 0.0.0.0
	// for all interfaces.
	BindAddr string
	// BindPort is the gossip port, both TCP and UDP. 0, the default, takes a free one.
	BindPort int
	// AdvertiseAddr is the host or IP address at which the others reach this node. Default: BindAddr, or for 0.0.0.0
	// and :: the machine's first private address, else the one from which its packets leave.
	AdvertiseAddr string
	// Join are addresses of other nodes, host or host:port; without a port, BindPort, or DefaultPort if that is 0. A
	// name may stand for several nodes, such as a headless service of Kubernetes. They are tried until the view begins;
	// this node's own address among them does no harm. The first node needs none.
	Join []string
	// WorldSize is the number of ranks of the job, this one included. Required, but with Elastic and Join it may be 0:
	// such a node proposes no first view, and waits to be admitted into a running one.
	WorldSize int
	// Elastic lets views follow each other, see [Node.Next]; at most 256 ranks. Without it the first failure ends all.
	// All nodes of a job must agree on it. The first view then has as many ranks as the oldest node expects.
	Elastic bool
	// MinRanks is the least number of ranks of a later view: with fewer, Next waits for nodes that join. It is a floor,
	// and no quorum. 0 means 1.
	MinRanks int
	// MaxRanks is the largest number of ranks of a later view: with so many, nodes that join are refused. 0 means no
	// limit but that of Elastic.
	MaxRanks int
	// ElasticWait is how long Next waits where there is no quorum, or fewer than MinRanks. Default 60 s.
	ElasticWait time.Duration
	// JoinTimeout is how long the ranks may take to gather, from Start. Default 60 s.
	JoinTimeout time.Duration
	// Birth orders the ranks; a launcher gives increasing values, so that rank order is start order. Default: the time
	// of Start. Between machines only their clocks decide, which affects nothing but the order.
	Birth time.Time
	// NATSAddr is gossiped to the others: where this node's NATS server listens. It must hold no secret. At most 200
	// bytes with Device and Hardware.
	NATSAddr string
	// Device is gossiped to the others: what this node computes on.
	Device string
	// Hardware is gossiped too: what Device is exactly, such as a GPU's name and UUID. May be empty.
	Hardware string
	// Digest is what must be the same on all nodes. The job and the expected size are added to it.
	Digest Digest
	// Key encrypts the gossip (AES-256-GCM): any passphrase of at least MinKeyBytes bytes, of which the SHA-256 is the
	// key. There is no salt and no stretching, so make it random ("openssl rand -hex 32"). Empty: no encryption, and
	// anybody who reaches the port can join.
	Key []byte
	// Grace is how long RootCause waits for reports, once the view has ended. Default 3 s.
	Grace time.Duration
	// OnWaiting, if set, is called by WaitView when a node has come or gone, and every 5 s without news.
	OnWaiting func(WaitStatus)
	// Logger gets the node's log, and memberlist's at debug level. Default: none.
	Logger *zap.Logger
}

// Default is a Config with all defaults but those that Start fills in; Job and WorldSize are still to be set.
func Default() Config {
	return Config{BindAddr: "127.0.0.1", JoinTimeout: 60 * time.Second, Grace: 3 * time.Second, ElasticWait: 60 * time.Second}
}

// MinKeyBytes is the shortest key: 128 bits, if they are random.
const MinKeyBytes = 16

// Validate checks the configuration without changing it.
func (c Config) Validate() error {
	switch {
	case c.Job == "":
		return errors.New("cluster: the job has no name")
	case len(c.Job) > 64:
		return fmt.Errorf("cluster: the job's name has %d bytes, at most 64 fit", len(c.Job))
	case printable.Text(c.Job) != c.Job:
		return fmt.Errorf("cluster: the job's name %q has characters that do not print", c.Job)
	case validName(c.Name) != nil:
		return fmt.Errorf("cluster: %w", validName(c.Name))
	case c.WorldSize == 0 && c.Elastic && len(c.Join) == 0:
		return errors.New("cluster: a node that expects no number of ranks needs a running job's node to join")
	case c.WorldSize < 0 || c.WorldSize == 0 && !c.Elastic:
		return fmt.Errorf("cluster: the expected number of ranks must be at least 1, not %d", c.WorldSize)
	case c.Elastic && max(c.WorldSize, c.MinRanks, c.MaxRanks) > mostElasticRanks:
		return fmt.Errorf("cluster: an elastic job has at most %d ranks, not %d", mostElasticRanks, max(c.WorldSize, c.MinRanks, c.MaxRanks))
	case c.MinRanks < 0 || c.MaxRanks < 0:
		return fmt.Errorf("cluster: the least and the largest number of ranks must not be negative, as %d or %d is", c.MinRanks, c.MaxRanks)
	case c.MaxRanks > 0 && c.MaxRanks < max(c.MinRanks, c.WorldSize):
		return fmt.Errorf("cluster: at most %d ranks are fewer than the %d that are asked for", c.MaxRanks, max(c.MinRanks, c.WorldSize))
	case c.ElasticWait < 0:
		return fmt.Errorf("cluster: the wait for other ranks must not be negative, as %v is", c.ElasticWait)
	case net.ParseIP(c.BindAddr) == nil:
		return fmt.Errorf("cluster: --bind address %q is not an IP address", c.BindAddr)
	case c.BindPort < 0 || c.BindPort > 65535:
		return fmt.Errorf("cluster: --bind port %d is not within 0 to 65535", c.BindPort)
	case c.JoinTimeout <= 0:
		return fmt.Errorf("cluster: the join time-out must be positive, not %v", c.JoinTimeout)
	case c.Grace < 0:
		return fmt.Errorf("cluster: the grace must not be negative, as %v is", c.Grace)
	case len(c.Key) > 0 && len(c.Key) < MinKeyBytes:
		return fmt.Errorf("cluster: the gossip key has %d bytes, at least %d are needed", len(c.Key), MinKeyBytes)
	}
	for _, a := range c.Join {
		if _, _, err := splitAddr(a, DefaultPort); err != nil {
			return fmt.Errorf("cluster: to join: %w", err)
		}
	}
	seen := map[string]bool{"job": true, "expected ranks": true, "elastic": true}
	for _, f := range c.Digest {
		if f.Name == "" || seen[f.Name] {
			return fmt.Errorf("cluster: digest field %q is empty, reserved or there twice", f.Name)
		}
		seen[f.Name] = true
	}
	return nil
}

// fullDigest adds what the cluster itself needs to agree on.
func (c Config) fullDigest() Digest {
	d := Digest{{"job", c.Job}}
	if c.Elastic {
		d = append(d, Field{"elastic", "true"})
	} else {
		d = append(d, Field{"expected ranks", strconv.Itoa(c.WorldSize)})
	}
	return append(d, c.Digest...)
}

// mostElasticRanks bounds what the members of an elastic job say to each other, whose number grows.
const mostElasticRanks = 256

// mostRanks is how many ranks a view can have.
func (c Config) mostRanks() int {
	switch {
	case !c.Elastic:
		return c.WorldSize
	case c.MaxRanks > 0:
		return c.MaxRanks
	}
	return mostElasticRanks
}

// capacity is the number of ranks for which the sizes of messages are made, the same on all nodes of a job.
func (c Config) capacity() int {
	if c.Elastic {
		return mostElasticRanks
	}
	return c.WorldSize
}

// gossipKey is the AES-256 key, nil without a passphrase.
func (c Config) gossipKey() []byte {
	if len(c.Key) == 0 {
		return nil
	}
	k := sha256.Sum256(c.Key)
	return k[:]
}

// withDefaults fills what was left empty.
func (c Config) withDefaults() Config {
	d := Default()
	if c.BindAddr == "" {
		c.BindAddr = d.BindAddr
	}
	if c.JoinTimeout == 0 {
		c.JoinTimeout = d.JoinTimeout
	}
	if c.Grace == 0 {
		c.Grace = d.Grace
	}
	if c.ElasticWait == 0 {
		c.ElasticWait = d.ElasticWait
	}
	c.MinRanks = max(c.MinRanks, 1)
	if c.Logger == nil {
		c.Logger = zap.NewNop()
	}
	if c.Birth.IsZero() {
		c.Birth = time.Now()
	}
	if c.Name == "" {
		host, err := os.Hostname()
		if err != nil || host == "" {
			host = "node"
		}
		c.Name = strings.Map(dropUnprintable, host[:min(len(host), 48)]) + "-" + strconv.Itoa(os.Getpid())
	}
	return c
}

func dropUnprintable(r rune) rune {
	if r <= ' ' || r == '~' || !unicode.IsPrint(r) {
		return -1
	}
	return r
}
