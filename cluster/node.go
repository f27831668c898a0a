package cluster

import (
	"context"
	"fmt"
	"log"
	"net"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/memberlist"
	"go.uber.org/zap"

	"ringloom/internal/sysinfo"
)

// Node is this process's part in the cluster.
type Node struct {
	cfg  Config
	log  *zap.Logger
	who  identity
	ml   *memberlist.Memberlist
	net  *transport
	roll roll
	// complaints is about messages that are none.
	complaints rarely
	mail       *mailbox
	ctx        context.Context // ends with Close
	cancel     context.CancelFunc

	formed     chan struct{}        // closed when view is set for the first time
	view       atomic.Pointer[View] // the latest
	joiners    atomic.Int32
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
	epochs     uint64 // of couriers, so far
	checking   map[string]bool
	regaining  map[string]bool
	asking     map[string]bool // members that gossip takes for dead
	probing    bool            // asks those that this node waits for
	lastRun    time.Time       // of the loop
	lastBoot   time.Duration   // sinceBoot then
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
	if err := checkOpenFiles(sysinfo.OpenFiles()); err != nil {
		return nil, err
	}
	advertise, err := resolveAdvertise(ctx, cfg.AdvertiseAddr, cfg.BindAddr)
	if err != nil {
		return nil, err
	}
	tcp, udp, err := listen(cfg.BindAddr, cfg.BindPort)
	if err != nil {
		return nil, err
	}
	digest, who := cfg.fullDigest(), newIdentity()
	n := &Node{
		cfg: cfg, log: cfg.Logger, who: who, roll: roll{most: maxNodes(cfg.capacity())}, mail: newMailbox(),
		formed: make(chan struct{}), failed: make(chan struct{}), news: make(chan struct{}, 1), departed: make(chan struct{}), closed: make(chan struct{}),
		couriers: map[string]*courier{}, checking: map[string]bool{}, asking: map[string]bool{}, regaining: map[string]bool{},
		complaints: rarely{interval: 10 * time.Second},
	}
	n.ctx, n.cancel = context.WithCancel(context.Background())
	logger := log.New(gossipLog{n.log}, "", 0)
	n.net = newTransport(n.ctx, tcp, udp, who.id(cfg.Name), cfg.Job, cfg.gossipKey(), cfg.capacity(), logger)
	n.net.strangers = newStrangers(n.stranger)
	n.net.refused = func(addr string) { n.mail.post(func() { n.core.refusedAt(addr) }) }
	fail := func(err error) (*Node, error) {
		_ = n.net.Shutdown() // it always returns nil
		n.cancel()
		return nil, err
	}
	ip, port, err := n.net.FinalAdvertiseAddr(advertise, n.net.port())
	if err != nil {
		return fail(fmt.Errorf("cluster: --advertise: %w", err))
	}
	self := Member{
		ID: n.net.id, Key: who.agree.PublicKey().Bytes(), Name: cfg.Name, PID: os.Getpid(), Addr: net.JoinHostPort(ip.String(), strconv.Itoa(port)), NATSAddr: cfg.NATSAddr,
		Device: cfg.Device, Hardware: cfg.Hardware, Birth: time.Unix(0, cfg.Birth.UnixNano()), Hash: digest.hash(),
		Machine: machine(), Joiner: cfg.Elastic && cfg.WorldSize == 0,
	}
	metadata, err := encodeMeta(self, who)
	if err != nil {
		return fail(err)
	}
	n.core = newCore(time.Now(), self, cfg.Job, digest, cfg.WorldSize, cfg.JoinTimeout, newElastic(cfg))
	n.core.here = ownAddresses()
	mc := gossipConfig(n.net, self.ID, cfg.Job, cfg.gossipKey(), advertise, logger)
	d := delegates{n, metadata}
	mc.Delegate, mc.Events, mc.Ping, mc.Alive = d, d, d, d
	n.net.serve()
	if n.ml, err = memberlist.Create(mc); err != nil {
		return fail(fmt.Errorf("cluster: cannot gossip from %s: %w; name this machine's address with --advertise", cfg.BindAddr, err))
	}
	n.spawn(n.loop)
	n.startJoining(self.Addr, n.net.port())
	return n, nil
}

func (n *Node) startJoining(self string, port int) {
	if len(n.cfg.Join) == 0 {
		return
	}
	if n.cfg.BindPort == 0 {
		port = DefaultPort
	}
	j := &joiner{ml: n.ml, known: n.roll.addresses, refusal: n.net.refusal, self: self, addrs: n.cfg.Join, port: port, resolved: n.resolved, report: n.joinReport, resolve: net.DefaultResolver.LookupHost}
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
