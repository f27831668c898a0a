package cluster

import (
	"context"
	"fmt"
	"log"
	"net"
	"os"
	"reflect"
	"sync"
	"time"

	"github.com/hashicorp/memberlist"
	"go.uber.org/zap"
)

// tickInterval is how often the state machine learns the time.
const tickInterval = 100 * time.Millisecond

// Node is this process's part in the cluster.
type Node struct {
	cfg    Config
	log    *zap.Logger
	ml     *memberlist.Memberlist
	mail   *mailbox
	ctx    context.Context // ends with Close
	cancel context.CancelFunc

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
	checking   map[string]bool
	waiters    []waiter
	lastStatus WaitStatus
}

// waiter is somebody who waits for the state to reach something.
type waiter struct {
	reached func() bool
	done    chan struct{}
}

// Start listens, and begins to gossip and to look for the others. The context is for the start only; the node lives until Close.
// Errors: *BindError, or what Validate says.
func Start(ctx context.Context, cfg Config) (*Node, error) {
	cfg = cfg.withDefaults()
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	advertise, err := resolveAdvertise(ctx, cfg.AdvertiseAddr)
	if err != nil {
		return nil, err
	}
	digest := cfg.fullDigest()
	self := Member{
		ID: incarnation(cfg.Name), Name: cfg.Name, PID: os.Getpid(), NATSAddr: cfg.NATSAddr, Device: cfg.Device,
		Birth: time.Unix(0, cfg.Birth.UnixNano()), Hash: digest.hash(),
	}
	metadata, err := encodeMeta(self)
	if err != nil {
		return nil, err
	}
	n := &Node{
		cfg: cfg, log: cfg.Logger, mail: newMailbox(),
		formed: make(chan struct{}), failed: make(chan struct{}), news: make(chan struct{}, 1), departed: make(chan struct{}), closed: make(chan struct{}),
		couriers: map[string]*courier{}, checking: map[string]bool{},
	}
	n.ctx, n.cancel = context.WithCancel(context.Background())
	logger := log.New(gossipLog{n.log, n.stranger}, "", 0)
	t, err := listen(n.ctx, cfg.BindAddr, cfg.BindPort, logger)
	if err != nil {
		n.cancel()
		return nil, err
	}
	t.refused = func(addr string) { n.mail.post(func() { n.core.refusedAt(addr) }) }
	mc := gossipConfig(t, self.ID, cfg.gossipKey(), advertise, logger)
	d := delegates{n, metadata}
	mc.Delegate, mc.Events, mc.Ping = d, d, d
	if n.ml, err = memberlist.Create(mc); err != nil {
		_ = t.Shutdown()
		n.cancel()
		return nil, fmt.Errorf("cluster: cannot gossip from %s: %w; name this machine's address with --advertise", cfg.BindAddr, err)
	}
	self.Addr = n.ml.LocalNode().Address()
	n.core = newCore(time.Now(), self, cfg.Job, digest, cfg.ExpectedSize, cfg.JoinTimeout)
	n.spawn(n.loop)
	n.startJoining(self.Addr, t.GetAutoBindPort())
	return n, nil
}

func resolveAdvertise(ctx context.Context, host string) (string, error) {
	if host == "" || net.ParseIP(host) != nil {
		return host, nil
	}
	ips, err := net.DefaultResolver.LookupHost(ctx, host)
	if err != nil {
		return "", fmt.Errorf("cluster: --advertise %s: %w", host, err)
	}
	for _, ip := range ips {
		if net.ParseIP(ip).To4() != nil {
			return ip, nil
		}
	}
	return ips[0], nil
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

// Close ends the node and returns when its goroutines have ended. Without Leave before it, the others take it for a crash. It may be
// called more than once.
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

// loop owns the state machine.
func (n *Node) loop() {
	ticker := time.NewTicker(tickInterval)
	defer ticker.Stop()
	for {
		n.perform()
		select {
		case <-n.ctx.Done():
			return
		case <-n.mail.signal:
			for _, f := range n.mail.take() {
				f()
			}
		case now := <-ticker.C:
			n.core.tick(now)
		}
	}
}

// perform does what the state machine asks for, then tells those who wait.
func (n *Node) perform() {
	for _, a := range n.core.take() {
		switch a := a.(type) {
		case send:
			n.courier(a.to).push(a.msg)
		case begin:
			n.view = a.view
			n.view.ctx, n.cancelView = context.WithCancelCause(context.Background())
			n.log.Info("view begins", zap.Uint64("generation", a.view.Generation), zap.Int("rank", a.view.Rank), zap.Int("ranks", len(a.view.Members)))
			close(n.formed)
		case end:
			n.log.Warn("view ends", zap.Error(a.cause))
			n.cancelView(a.cause)
		case fail:
			n.failure = a.err
			close(n.failed)
			n.depart()
		case check:
			n.check(a.member)
		case drop:
			if c := n.couriers[a.member.ID]; c != nil {
				c.drop()
			}
		case note:
			if a.warn {
				n.log.Warn(a.text)
			} else {
				n.log.Info(a.text)
			}
		}
	}
	n.publish()
	n.waiters = deleteReached(n.waiters)
}

func deleteReached(ws []waiter) []waiter {
	kept := ws[:0]
	for _, w := range ws {
		if w.reached() {
			close(w.done)
		} else {
			kept = append(kept, w)
		}
	}
	clear(ws[len(kept):])
	return kept
}

// publish gives WaitView a token if the waiting status has changed.
func (n *Node) publish() {
	if n.core.phase != forming {
		return
	}
	s := n.core.status(time.Now())
	s.Left = 0
	if !reflect.DeepEqual(s, n.lastStatus) {
		n.lastStatus = s
		select {
		case n.news <- struct{}{}:
		default:
		}
	}
}

// courier to a peer, made on first use.
func (n *Node) courier(to Member) *courier {
	c := n.couriers[to.ID]
	if c == nil {
		host, port, err := net.SplitHostPort(to.Addr)
		target := &memberlist.Node{Name: to.ID, Addr: net.ParseIP(host)}
		if err == nil {
			_, err = fmt.Sscan(port, &target.Port)
		}
		c = newCourier(n.core.self.ID, to.ID, func(frame []byte) error {
			if err != nil {
				return err
			}
			return n.ml.SendReliable(target, frame)
		})
		n.couriers[to.ID] = c
		n.spawn(func() {
			c.run(n.ctx)
			n.mail.post(func() { delete(n.couriers, to.ID) })
		})
	}
	return c
}

// receive takes a message from memberlist's goroutines.
func (n *Node) receive(b []byte) {
	f, err := decodeFrame(b)
	if err != nil {
		n.log.Warn("ignore a message", zap.Error(err))
		return
	}
	n.mail.post(func() {
		if f.To != n.core.self.ID {
			return // for another process that had this address
		}
		if c := n.couriers[f.From]; c != nil && f.Ack > 0 {
			c.acked(f.Ack)
		}
		p, gone := n.core.peers[f.From], n.core.gone[f.From]
		if f.Msg == nil || p == nil && !gone {
			return // gossip may tell of the sender later, and the message will come again
		}
		deliver, ack := n.inbox.offer(f.From, f.Seq)
		if c := n.couriers[f.From]; ack && (p != nil || c != nil) {
			if c == nil {
				c = n.courier(p.Member)
			}
			c.acknowledge(f.Seq)
		}
		if deliver && p != nil {
			n.core.receive(time.Now(), f.From, *f.Msg)
		}
	})
}

// check finds out whether a member's process is gone.
func (n *Node) check(m Member) {
	if n.checking[m.ID] {
		return
	}
	n.checking[m.ID] = true
	n.spawn(func() {
		dead := confirmDead(n.ctx, m.Addr)
		n.mail.post(func() {
			delete(n.checking, m.ID)
			if dead && n.core.peers[m.ID] != nil {
				n.core.down(m.ID, Refused)
			}
		})
	})
}

// drained says whether the live peers have got all messages.
func (n *Node) drained() bool {
	for id, c := range n.couriers {
		if n.core.peers[id] != nil && !c.drained() {
			return false
		}
	}
	return true
}

// ask runs f on the loop and waits for it; ErrClosed if it will not run.
func (n *Node) ask(f func()) error {
	done := make(chan struct{})
	if !n.mail.post(func() { f(); close(done) }) {
		return ErrClosed
	}
	select {
	case <-done:
		return nil
	case <-n.ctx.Done():
		return ErrClosed
	}
}

// await waits until the state has reached something, as a function that the loop calls says.
func (n *Node) await(ctx context.Context, reached func() bool) error {
	w := waiter{reached, make(chan struct{})}
	if !n.mail.post(func() { n.waiters = append(n.waiters, w) }) {
		return ErrClosed
	}
	select {
	case <-w.done:
		return nil
	case <-n.ctx.Done():
		return ErrClosed
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
