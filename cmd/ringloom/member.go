package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"time"

	"go.uber.org/zap"
	"golang.org/x/term"

	"ringloom/allreduce"
	"ringloom/allreduce/natsring"
	"ringloom/cluster"
	"ringloom/report"
)

// trialShift puts the number of a trial ring above the view's in what tells rings apart.
const trialShift = 48

// leaveTimeout bounds the good-bye to the cluster.
const leaveTimeout = 5 * time.Second

// member is one process of a cluster, from its first port to its good-bye: what every command has that joins one.
type member struct {
	flags  *clusterFlags
	what   string // what the nodes do together, as "training"
	human  bool
	logger *zap.Logger

	token   string
	server  *natsring.Server
	members *cluster.Node
	view    cluster.View

	processors *processors // from openRing on
}

// newMember opens nothing yet.
func newMember(f *clusterFlags, what string) *member {
	human := f.log == "human" || f.log == "auto" && (term.IsTerminal(int(os.Stderr.Fd())) || launched.Terminal)
	m := &member{flags: f, what: what, human: human, logger: report.NewLogger(os.Stderr, human, f.debug, nil)}
	if launched.Quiet && !f.debug {
		m.logger = m.logger.WithOptions(zap.IncreaseLevel(zap.WarnLevel))
	}
	return m
}

// joining is what a command brings to the cluster.
type joining struct {
	device   string         // what this node computes on, for the others
	hardware string         // what that is exactly, as function hardware says
	digest   cluster.Digest // what all nodes must agree on; the cluster shows the difference to a node that does not
	about    []zap.Field    // logged with this node's address
}

// take joins the cluster, does the work once all nodes are there, and leaves. Work's context ends with the view too. An
// error is the root cause, as all ranks found it together.
func (m *member) take(ctx context.Context, j joining, work func(context.Context) error) error {
	defer m.close()
	if err := m.join(ctx, j); err != nil {
		return err
	}
	err := m.inView(ctx, work)
	if err != nil {
		err = m.rootCause(ctx, err)
	}
	return err
}

func (m *member) inView(ctx context.Context, work func(context.Context) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(m.view.Context(), func() { cancel(m.view.Cause()) })()
	return work(ctx)
}

// join starts the NATS server, then gossip, and waits for the view.
func (m *member) join(ctx context.Context, j joining) (err error) {
	f := m.flags
	host, port, _ := hostPort("--bind", f.bind)
	if m.token, err = f.natsToken(); err != nil {
		return usageError{err}
	}
	key, err := secret("--key-file", f.keyFile, envKey)
	if err != nil {
		return usageError{err}
	}
	cfg := cluster.Default()
	if f.natsURL == "" {
		s := natsring.DefaultServerConfig()
		s.Host, s.Token = host, m.token
		s.Warn = func(line string) { m.logger.Debug("nats server", zap.String("says", line)) }
		flag := "--bind " + f.bind
		if f.natsBind != "" {
			s.Host, s.Port, _ = hostPort("--nats-bind", f.natsBind)
			flag = "--nats-bind " + f.natsBind
		}
		if m.server, err = natsring.StartServer(s); err != nil {
			return clusterError{fmt.Errorf("%s: %w", flag, err)}
		}
		// The port alone: the others reach it at the address of this node's gossip.
		cfg.NATSAddr = strconv.Itoa(m.server.Port())
	}
	cfg.Job, cfg.Name, cfg.WorldSize = f.job, f.name, f.expect
	cfg.BindAddr, cfg.BindPort, cfg.AdvertiseAddr, cfg.Join = host, port, f.advertise, f.join
	cfg.JoinTimeout, cfg.Key, cfg.Device = f.joinTimeout, []byte(key), j.device
	cfg.Hardware = j.hardware
	cfg.Digest = j.digest
	cfg.OnWaiting, cfg.Logger = m.showWaiting, m.logger.Named("cluster")
	cfg.Birth = launched.Birth
	if err := cfg.Validate(); err != nil {
		return usageError{err}
	}
	if m.members, err = cluster.Start(ctx, cfg); err != nil {
		return clusterError{err}
	}
	if err := launched.Announce(m.members.Self().Addr); err != nil {
		return err
	}
	m.logger.Info("looking for the other nodes",
		append([]zap.Field{zap.String("address", m.members.Self().Addr), zap.Int("expected", f.expect)}, j.about...)...)
	if m.view, err = m.members.WaitView(ctx); err != nil {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return clusterError{err}
	}
	return nil
}

func (m *member) showWaiting(s cluster.WaitStatus) {
	names := make([]string, len(s.Joined))
	for i, m := range s.Joined {
		names[i] = fmt.Sprintf("%s (%s)", m.Name, m.Addr)
	}
	fields := []zap.Field{zap.Int("joined", len(s.Joined)), zap.Int("missing", s.Missing), zap.Strings("nodes", names),
		zap.Duration("left", s.Left.Round(time.Second))}
	for _, r := range s.Refusals {
		fields = append(fields, zap.Stringer("refused", r))
	}
	for _, u := range s.Unreachable {
		fields = append(fields, zap.String("unreachable", u.Addr), zap.Error(u.Err))
	}
	m.logger.Info("waiting for nodes", fields...)
}

// probe finds out whether an external NATS server takes the ring's frames, before any other node waits for this one.
func (m *member) probe(ring allreduce.Config) (err error) {
	if m.flags.natsURL == "" {
		return nil
	}
	cfg := natsring.DefaultConfig(ring)
	cfg.URL = m.flags.natsURL
	if cfg.Token, err = m.flags.natsToken(); err != nil {
		return usageError{err}
	}
	err = natsring.Probe(cfg)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, natsring.ErrMaxPayload):
		return usageError{fmt.Errorf("--chunk-bytes %d: %w", ring.ChunkBytes, err)}
	}
	return clusterError{fmt.Errorf("--nats: %w", err)}
}

// openRing connects this rank to its neighbours. r says how frames travel, threads with how many this rank computes.
func (m *member) openRing(ctx context.Context, r ringFlags, threads int) (*allreduce.Group, error) {
	m.processors = shareProcessors(m.view, threads)
	cfg := r.config()
	cfg.Spin = r.spin.on(m.view, threads)
	return m.openRingAs(ctx, cfg, r.sharedMemory, 0)
}

// openRingAs opens a ring of a configuration, whose place in the ring is filled in here. Rings that are open at the same time
// have different trial numbers.
func (m *member) openRingAs(ctx context.Context, cfg allreduce.Config, sharedMemory bool, trial int) (*allreduce.Group, error) {
	f := m.flags
	cfg.Job, cfg.View, cfg.Rank, cfg.WorldSize = f.job, m.view.Generation|uint64(trial)<<trialShift, m.view.Rank, m.view.WorldSize()
	cfg.Deadline, cfg.Alone = f.ringDeadline, f.expect == 1
	if cfg.Alone {
		return allreduce.New(cfg)
	}
	join := natsring.DefaultConfig(cfg)
	join.Server, join.URL, join.Token, join.SharedMemory = m.server, f.natsURL, m.token, sharedMemory
	if f.natsURL == "" {
		for _, node := range m.view.Members {
			host, _, err := net.SplitHostPort(node.Addr)
			if err != nil {
				return nil, fmt.Errorf("the address %q of %s: %w", node.Addr, node.Name, err)
			}
			join.Addrs = append(join.Addrs, net.JoinHostPort(host, node.NATSAddr))
		}
	}
	return natsring.NewGroup(ctx, join)
}

// rootCause tells the others that this rank has stopped, finds out with them why, and makes of it what this process
// ends with: its own error, or the one of the rank that failed first.
func (m *member) rootCause(ctx context.Context, own error) error {
	if ctx.Err() != nil {
		own = context.Cause(ctx)
		if !errors.Is(own, cluster.ErrInterrupted) {
			own = fmt.Errorf("%w: %w", cluster.ErrInterrupted, own)
		}
	}
	m.logger.Debug("this rank stopped", zap.Error(own))
	var lost *allreduce.Error
	if errors.As(own, &lost) {
		if lost.Neighbour >= 0 {
			m.members.Suspect(lost.Neighbour)
		}
		own = ringError{lost}
	}
	m.members.Abort(own)
	root := m.members.RootCause(context.WithoutCancel(ctx))
	if errors.As(own, new(agreedError)) {
		return own
	}
	var aborted *cluster.Aborted
	if ctx.Err() != nil || root == nil || errors.As(root, &aborted) && aborted.Rank == m.view.Rank {
		return own
	}
	return peerError{fmt.Errorf("%s ended at rank %d: %w", m.what, m.view.Rank, root)}
}

// ringError is a failed collective. It follows from another rank's failure unless this rank itself broke the rules.
type ringError struct{ err *allreduce.Error }

// Consequence is asked by the cluster, which looks for the root cause.
func (e ringError) Consequence() bool {
	for _, kind := range []error{allreduce.ErrNeighbourLost, allreduce.ErrAborted, allreduce.ErrTimeout, allreduce.ErrCancelled, allreduce.ErrClosed} {
		if errors.Is(e.err.Kind, kind) {
			return true
		}
	}
	return false
}

func (e ringError) Error() string { return e.err.Error() }
func (e ringError) Unwrap() error { return e.err }

// close says good-bye; after Finish nobody takes it for a failure.
func (m *member) close() {
	if m.members != nil {
		ctx, cancel := context.WithTimeout(context.Background(), leaveTimeout)
		defer cancel()
		if err := m.members.Leave(ctx); err != nil {
			m.logger.Debug("leaving the cluster", zap.Error(err))
		}
		m.members.Close()
	}
	if m.server != nil {
		m.server.Close()
	}
}
