package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"time"

	"go.uber.org/zap"
	"golang.org/x/term"

	"ringloom/allreduce"
	"ringloom/allreduce/natsring"
	"ringloom/cluster"
	"ringloom/models"
	"ringloom/nn"
	"ringloom/report"
	"ringloom/train"
)

// leaveTimeout bounds the good-bye to the cluster.
const leaveTimeout = 5 * time.Second

// node is one process of a cluster, from its first port to its good-bye.
type node struct {
	*trainFlags
	out    io.Writer
	human  bool
	logger *zap.Logger

	sets    datasets
	dev     nn.Device
	initial *initial
	token   string
	server  *natsring.Server
	members *cluster.Node
	view    cluster.View
}

// runNode opens everything that can fail by itself first, so that a mistake on one node ends that node before the
// others wait for it.
func runNode(ctx context.Context, f *trainFlags, out io.Writer) (err error) {
	human := f.log == "human" || f.log == "auto" && (term.IsTerminal(int(os.Stderr.Fd())) || os.Getenv(envTerminal) != "")
	n := &node{trainFlags: f, out: out, human: human, logger: report.NewLogger(os.Stderr, human, f.debug, nil)}

	var note string
	if n.dev, note, err = openDevice(f.device, f.threads, f.kernels); err != nil {
		return err
	}
	defer n.dev.Close()
	if note != "" {
		n.logger.Warn(note)
	}
	if n.initial, err = loadInitial(f.init, f.Model); err != nil {
		return err
	}
	if f.resumed != nil {
		n.initial.hash = "those of a run that goes on"
	}
	if n.sets, err = loadData(ctx, f.dataDir, f.offline); err != nil {
		return err
	}
	if err := f.ValidateSamples(n.sets.train.N); err != nil {
		return usageError{err}
	}
	if err := n.checkResumption(); err != nil {
		return err
	}
	if err := n.tune(ctx); err != nil {
		return err
	}
	if err := n.join(ctx); err != nil {
		n.close()
		return err
	}
	err = n.work(ctx)
	if err != nil {
		err = n.rootCause(ctx, err)
	}
	n.close()
	return err
}

// tune chooses the kernels before anybody waits for this node.
func (n *node) tune(ctx context.Context) error {
	model, err := models.Lookup(n.Model)
	if err != nil {
		return usageError{err}
	}
	share := n.expect * max(1, n.Accumulate)
	t, err := tuneKernels(ctx, n.dev, n.kernels, model, (n.GlobalBatch+share-1)/share, true)
	if err == nil && t.tried > 0 {
		n.logger.Info("tried how to compute fastest here", zap.Int("operations", t.tried),
			zap.Duration("took", t.took.Round(time.Millisecond)), zap.String("remembered", t.file))
	}
	return err
}

// join starts the NATS server, then gossip, and waits for the view.
func (n *node) join(ctx context.Context) (err error) {
	host, port, _ := hostPort("--bind", n.bind)
	if n.token, err = secret("--nats-token-file", n.tokenFile, envToken); err != nil {
		return usageError{err}
	}
	key, err := secret("--key-file", n.keyFile, envKey)
	if err != nil {
		return usageError{err}
	}
	cfg := cluster.Default()
	if n.natsURL == "" {
		s := natsring.DefaultServerConfig()
		s.Host, s.Token = host, n.token
		s.Warn = func(line string) { n.logger.Debug("nats server", zap.String("says", line)) }
		if n.natsBind != "" {
			s.Host, s.Port, _ = hostPort("--nats-bind", n.natsBind)
		}
		if n.server, err = natsring.StartServer(s); err != nil {
			return clusterError{err}
		}
		// The port alone: the others reach it at the address of this node's gossip.
		cfg.NATSAddr = strconv.Itoa(n.server.Port())
	}
	cfg.Job, cfg.Name, cfg.ExpectedSize = n.job, n.name, n.expect
	cfg.BindAddr, cfg.BindPort, cfg.AdvertiseAddr, cfg.Join = host, port, n.advertise, n.trainFlags.join
	cfg.JoinTimeout, cfg.Key, cfg.Device = n.joinTimeout, []byte(key), n.dev.Name()
	cfg.Digest = n.digest(n.sets.hash, n.initial.hash)
	cfg.OnWaiting, cfg.Logger = n.showWaiting, n.logger.Named("cluster")
	if ns, err := strconv.ParseInt(os.Getenv(envBirth), 10, 64); err == nil {
		cfg.Birth = time.Unix(0, ns)
	}
	if err := cfg.Validate(); err != nil {
		return usageError{err}
	}
	if n.members, err = cluster.Start(ctx, cfg); err != nil {
		return clusterError{err}
	}
	if err := announce(n.members.Self().Addr); err != nil {
		return err
	}
	n.logger.Info("looking for the other nodes", zap.String("address", n.members.Self().Addr),
		zap.Int("expected", n.expect), zap.String("device", n.dev.Description()), zap.String("data", n.sets.dir))
	if n.view, err = n.members.WaitView(ctx); err != nil {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return clusterError{err}
	}
	return nil
}

func (n *node) showWaiting(s cluster.WaitStatus) {
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
	n.logger.Info("waiting for nodes", fields...)
}

// announce tells the launcher, if there is one, where this node gossips.
func announce(address string) error {
	fd, err := strconv.Atoi(os.Getenv(envAnnounceFD))
	if err != nil {
		return nil
	}
	pipe := os.NewFile(uintptr(fd), "launcher")
	_, err = fmt.Fprintln(pipe, address)
	return errors.Join(err, pipe.Close())
}

// work is the run from the first view to the last epoch.
func (n *node) work(ctx context.Context) (err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(n.view.Context(), func() { cancel(n.view.Cause()) })()

	ring, err := n.openRing(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, ring.Close()) }()
	if err := n.agreeOnResumption(ctx, ring); err != nil {
		return err
	}
	record, err := n.openRecord(ctx, ring)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, record.close()) }()

	trace, err := n.openTrace(ctx, ring)
	if err != nil {
		return err
	}
	worker, err := train.NewWorker(train.Options{
		Config: n.Config, Device: n.dev, Ring: ring, Rank: n.view.Rank, World: n.view.Size(),
		Train: n.sets.train, Test: n.sets.test, OnStep: record.step, OnEpoch: record.epoch, OnState: record.state,
		Recorder: trace.record(),
	})
	if err != nil {
		return err
	}
	if err := n.initial.apply(n.Model, worker.Params()); err != nil {
		return err
	}
	if err := n.resume(worker); err != nil {
		return err
	}
	record.params, record.optimizer = worker.Params(), worker.OptimizerState()
	n.logger.Info("training", zap.Int("rank", n.view.Rank), zap.Int("world", n.view.Size()),
		zap.Uint64("view", n.view.Generation), zap.String("model", n.Model), zap.Int("global_batch", n.GlobalBatch))
	if err := worker.Run(ctx); err != nil {
		return err
	}
	if err := record.finish(); err != nil {
		return err
	}
	if err := trace.finish(ctx, ring); err != nil {
		return err
	}
	return n.members.Finish(ctx)
}

// checkResumption looks at what is to go on, where this node has it, before any other node is bothered.
func (n *node) checkResumption() error {
	if n.resumed == nil {
		return nil
	}
	if !n.resumed.here() {
		n.logger.Info("no state to resume from here; the leader's is taken", zap.String("file", n.resumed.path))
		return nil
	}
	changed, err := n.resumed.check(n.Config, n.sets.hash, n.sets.train.N)
	if err != nil {
		return err
	}
	if len(changed) > 0 {
		n.logger.Warn("the run goes on with other settings than it had", zap.Strings("had", changed))
	}
	return n.resumed.try()
}

// openRing connects this rank to its neighbours.
func (n *node) openRing(ctx context.Context) (*allreduce.Group, error) {
	cfg := allreduce.DefaultConfig()
	cfg.Job, cfg.View, cfg.Rank, cfg.Size = n.job, n.view.Generation, n.view.Rank, n.view.Size()
	cfg.Deadline, cfg.Alone = n.ringDeadline, n.expect == 1
	if cfg.Alone {
		return allreduce.New(cfg)
	}
	join := natsring.DefaultConfig(cfg)
	join.Server, join.URL, join.Token = n.server, n.natsURL, n.token
	if n.natsURL == "" {
		for _, m := range n.view.Members {
			host, _, err := net.SplitHostPort(m.Addr)
			if err != nil {
				return nil, fmt.Errorf("the address %q of %s: %w", m.Addr, m.Name, err)
			}
			join.Addrs = append(join.Addrs, net.JoinHostPort(host, m.NATSAddr))
		}
	}
	return natsring.NewGroup(ctx, join)
}

// rootCause tells the others that this rank has stopped, finds out with them why, and makes of it what this process
// ends with: its own error, or the one of the rank that failed first.
func (n *node) rootCause(ctx context.Context, own error) error {
	if ctx.Err() != nil {
		own = fmt.Errorf("%w: %w", cluster.ErrInterrupted, context.Cause(ctx))
	}
	n.logger.Debug("this rank stopped", zap.Error(own))
	var lost *allreduce.Error
	if errors.As(own, &lost) {
		if lost.Neighbour >= 0 {
			n.members.Suspect(lost.Neighbour)
		}
		own = ringError{lost}
	}
	n.members.Abort(own)
	root := n.members.RootCause(context.WithoutCancel(ctx))
	var found *train.NonFiniteError
	if errors.As(own, &found) { // every rank has found it by itself, with the same words
		if found.Rank >= 0 && found.Rank != n.view.Rank {
			return peerError{own}
		}
		return own
	}
	if errors.As(own, new(agreedError)) {
		return own
	}
	var aborted *cluster.Aborted
	if ctx.Err() != nil || root == nil || errors.As(root, &aborted) && aborted.Rank == n.view.Rank {
		return own
	}
	return peerError{fmt.Errorf("training ended at rank %d: %w", n.view.Rank, root)}
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
func (n *node) close() {
	if n.members != nil {
		ctx, cancel := context.WithTimeout(context.Background(), leaveTimeout)
		defer cancel()
		if err := n.members.Leave(ctx); err != nil {
			n.logger.Debug("leaving the cluster", zap.Error(err))
		}
		n.members.Close()
	}
	if n.server != nil {
		n.server.Close()
	}
}
