package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"time"

	"go.uber.org/zap"

	"ringloom/allreduce"
	"ringloom/cluster"
	"ringloom/models"
	"ringloom/nn/op"
	"ringloom/train"
)

// node is one process that trains.
type node struct {
	*trainFlags
	*member
	out io.Writer

	sets    datasets
	dev     op.Device
	initial *initial
	tuned   []zap.Field // what --autotune found, nil without
}

// runNode opens everything that can fail by itself first, so that a mistake on one node ends that node before the
// others wait for it.
func runNode(ctx context.Context, f *trainFlags, out io.Writer) (err error) {
	n := &node{trainFlags: f, member: newMember(&f.clusterFlags, "training"), out: out}

	runtime.LockOSThread() // the device binds state to the thread
	defer runtime.UnlockOSThread()
	var note string
	if n.dev, note, err = openDevice(f.device, f.threads, f.kernels, f.gpuFlags); err != nil {
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
	err = n.take(ctx, joining{
		device: n.dev.Name(), hardware: hardware(n.dev), digest: n.digest(n.sets.hash, n.initial.hash),
		about: []zap.Field{zap.String("device", n.dev.Description()), zap.String("data", n.sets.dir)},
	}, n.work)
	if err != nil {
		return err
	}
	return rememberKernels(ctx, n.dev, n.kernels)
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
		where := zap.String("remembered", t.file)
		if t.file == "" {
			where = zap.String("not_remembered", "there is no cache folder that this user may write: the next run tries again, and its last bits may differ; $XDG_CACHE_HOME names one")
		}
		n.logger.Info("tried how to compute fastest here", zap.Int("operations", t.tried), zap.Duration("took", t.took.Round(time.Millisecond)), where)
	}
	return err
}

// openRing connects this rank to its neighbours, in the way that the flags name or that turns out to be fast.
func (n *node) openRing(ctx context.Context) (*allreduce.Group, error) {
	if n.autotune && n.expect > 1 {
		return n.openTunedRing(ctx)
	}
	return n.member.openRing(ctx, n.ringFlags, computeThreads(n.dev, n.threads))
}

// work is the run from the first view to the last epoch.
func (n *node) work(ctx context.Context) (err error) {
	ring, err := n.openRing(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, ring.Close()) }()
	if err := checkKinds(n.view.Members, n.ShardOptimizer); err != nil {
		_ = ring.Barrier(ctx) // the slowest must have its ring before the first of all ends the view
		return agreedError{usageError{err}}
	}
	if err := n.agreeOnResumption(ctx, ring); err != nil {
		return err
	}
	record, err := n.openRecord(ctx, ring)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, record.close()) }()
	n.logTuned()

	trace, err := n.openTrace(ctx, ring)
	if err != nil {
		return err
	}
	worker, err := train.NewWorker(train.Options{
		Config: n.Config, Device: n.dev, Ring: ring, Rank: n.view.Rank, WorldSize: n.view.WorldSize(),
		Train: n.sets.train, Test: n.sets.test, OnStep: func(s train.Step) { n.processors.step(); record.step(s) }, OnEpoch: record.epoch, OnState: record.state,
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
	record.params = worker.Params()
	n.logger.Info("training", zap.Int("rank", n.view.Rank), zap.Int("world", n.view.WorldSize()),
		zap.Uint64("view", n.view.Generation), zap.String("model", n.Model), zap.Int("global_batch", n.GlobalBatch), zap.String("run_dir", record.path))
	if err := worker.Run(ctx); err != nil {
		return agreed(err, n.view.Rank)
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

// checkKinds refuses ranks on several kinds of device (GPU, cpu, purego), unless each parameter is updated by one of them alone:
// the last bits of an update differ between kinds of device, and the ranks' parameters must not.
func checkKinds(members []cluster.Member, sharded bool) error {
	for _, m := range members {
		first := members[0]
		same := m.Device == first.Device || isGPU(m.Device) && isGPU(first.Device)
		if !sharded && !same {
			return fmt.Errorf("%s computes on %s and %s on %s, whose updates differ in the last bits: give all ranks --shard-optimizer, with which one rank alone updates each parameter",
				first.Name, first.Device, m.Name, m.Device)
		}
	}
	return nil
}

// agreed marks a loss, a norm or a parameter that is not finite: every rank has found it by itself, with the same words.
func agreed(err error, rank int) error {
	var found *train.NonFiniteError
	switch {
	case errors.As(err, new(*train.NonFiniteParameterError)):
		return agreedError{err}
	case !errors.As(err, &found):
		return err
	case found.Rank >= 0 && found.Rank != rank:
		err = peerError{err}
	}
	return agreedError{err}
}
