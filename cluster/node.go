package cluster

import (
	"context"
	"fmt"
	"log"
	"net"
	"os"
	"sync"
	"time"

	"github.com/hashicorp/memberlist"
	"go.uber.org/zap"
)

// Node is this process's part in the cluster.
type Node struct {
	cfg      Config
	identity identity
	log      *zap.Logger
	ml       *memberlist.Memberlist
	mail     *mailbox
	ctx      context.Context // ends with Close
	cancel   context.CancelFunc

	formed     chan struct{} // closed when view is set
	view       View          // set once, before formed is closed
	cancelView context.CancelCauseFunc
	failed     chan struct{} // closed when failure is set
	failure    error         // set once, before failed is closed
	news       chan struct{} // has a token when the waiting status has changed
	departed   chan struct{} // closed when this node has left the gossip
	closed     chan struct{} // closed when Close is done
	departOnce sync.Once
	closeOnce  sync.Once

	mu      sync.Mutex
	closing bool           // guarded by mu
	tasks   sync.WaitGroup // Add only under mu and while not closing

	// The loop's own, as is everything below.
	core       *core
	inbox      inbox
	couriers   map[string]*courier
	secrets    map[string][]byte // of the MACs, by the other's identifier
	checking   map[string]bool
	waiters    []waiter
	lastStatus WaitStatus
}

// Start listens, and begins to gossip and to look for the others. The context is for the start only; the node lives
// until Close. Errors: *BindError, or what Validate says.
func Start(ctx context.Context, cfg Config) (*Node, error) {
	cfg = cfg.withDefaults()
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	advertise, err := resolveAdvertise(ctx, cfg.AdvertiseAddr, cfg.BindAddr)
	if err != nil {
		return nil, err
	}
	digest := cfg.fullDigest()
	who, err := newIdentity()
	if err != nil {
		return nil, err
	}
	self := Member{
		ID: incarnation(cfg.Name, who.public()), Key: who.public(), Name: cfg.Name, PID: os.Getpid(), NATSAddr: cfg.NATSAddr, Device: cfg.Device, Hardware: cfg.Hardware,
		Birth: time.Unix(0, cfg.Birth.UnixNano()), Hash: digest.hash(),
	}
	metadata, err := encodeMeta(self)
	if err != nil {
		return nil, err
	}
	n := &Node{
		cfg: cfg, log: cfg.Logger, mail: newMailbox(),
		formed: make(chan struct{}), failed: make(chan struct{}), news: make(chan struct{}, 1), departed: make(chan struct{}), closed: make(chan struct{}),
		identity: who, secrets: map[string][]byte{}, couriers: map[string]*courier{}, checking: map[string]bool{},
	}
	n.ctx, n.cancel = context.WithCancel(context.Background())
	logger := log.New(gossipLog{n.log, n.stranger}, "", 0)
	t, err := listen(n.ctx, cfg.BindAddr, cfg.BindPort, logger)
	if err != nil {
		n.cancel()
		return nil, err
	}
	t.refused = func(addr string) { n.mail.post(func() { n.core.refusedAt(addr) }) }
	mc := gossipConfig(t, self.ID, cfg.Job, cfg.gossipKey(), advertise, logger)
	d := delegates{n, metadata}
	mc.Delegate, mc.Events, mc.Ping = d, d, d
	if n.ml, err = memberlist.Create(mc); err != nil {
		_ = t.Shutdown()
		n.cancel()
		return nil, fmt.Errorf("cluster: cannot gossip from %s: %w; name this machine's address with --advertise", cfg.BindAddr, err)
	}
	self.Addr = n.ml.LocalNode().Address()
	n.core = newCore(time.Now(), self, cfg.Job, digest, cfg.WorldSize, cfg.JoinTimeout)
	n.spawn(n.loop)
	n.startJoining(self.Addr, t.GetAutoBindPort())
	return n, nil
}

func (n *Node) startJoining(self string, port int) {
	if len(n.cfg.Join) == 0 {
		return
	}
	if n.cfg.BindPort == 0 {
		port = DefaultPort
	}
	j := &joiner{ml: n.ml, self: self, addrs: n.cfg.Join, port: port, report: n.joinReport, resolve: net.DefaultResolver.LookupHost}
	n.spawn(func() {
		ctx, cancel := context.WithCancel(n.ctx)
		defer cancel()
		n.spawn(func() {
			select {
			case <-n.formed:
			case <-n.failed:
			case <-ctx.Done():
			}
			cancel()
		})
		j.run(ctx)
	})
}

// Self is this node as the others see it.
func (n *Node) Self() Member { return n.core.self }

// spawn runs f on a goroutine that Close waits for; false if the node is closing.
func (n *Node) spawn(f func()) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closing {
		return false
	}
	n.tasks.Go(f)
	return true
}

// Close ends the node and returns when its goroutines have ended. Without Leave before it, the others take it for a
// crash. It may be called more than once.
func (n *Node) Close() error {
	n.closeOnce.Do(func() {
		n.mu.Lock()
		n.closing = true
		n.mu.Unlock()
		n.cancel()
		n.mail.close()
		n.tasks.Wait()
		_ = n.ml.Shutdown() // it always returns nil
		if n.cancelView != nil {
			n.cancelView(ErrClosed)
		}
		close(n.closed)
	})
	<-n.closed
	return nil
}
