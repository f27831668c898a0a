package run

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"time"

	"ringloom/allreduce"
	"ringloom/cluster"
	"ringloom/models"
	"ringloom/nn/op"
	"ringloom/train"
	"ringloom/train/gradsync"
)

// Result is what a run has come to, on one of its ranks.
type Result struct {
	Rank, WorldSize int
	Steps           int // done in all epochs
	RunDir          string
	TestAccuracy    float64 // of the last epoch
	// BestAccuracy is the best of all epochs. The leader alone has it; elsewhere it is -1.
	BestAccuracy     float64
	ParametersSHA256 string // the first 8 bytes of the hash in hex, the same on all ranks
}

// node is one process's part in a training run.
type node struct {
	Config // its own: tuning changes Ring and Train.BucketBytes
	*Session
	emit Sink

	sets    Datasets
	dev     op.Device
	initial *Initial
	tuned   *Tuned // what Autotune found, nil without

	// From the first view on, in an elastic job through all of them:
	worker  *train.Worker
	record  *record
	trace   *trace
	pace    pace
	aligned train.Aligned // in the view under way
}

// Node trains as one node of a cluster, from the device's opening to the good-bye. It opens everything that can fail by itself first,
// so that a mistake on one node ends that node before the others wait for it. It blocks until the run is over, its context has ended or
// another rank has failed, which in an elastic job ends the others no more; then it has left nothing running. Its errors are of the kinds
// in this package, or this node's own.
func Node(ctx context.Context, c Config, sink Sink) (result Result, err error) {
	n := &node{Config: c, emit: serialize(sink)}
	n.Device.Kernels.Say = n.busy
	n.Device.Kernels.Warn = func(text string) { n.emit(Warning{text}) }
	defer func() {
		if err != nil {
			n.emit(Failure{err})
		}
	}()
	if err := c.Validate(); err != nil {
		return result, UsageError{err}
	}
	if c.Resume != nil && !c.Resume.Here() && c.Member.WorldSize == 1 {
		return result, c.Resume.missing()
	}
	member := NewMember(c.Member, n.emit)
	if err := member.Probe(ctx, c.Ring); err != nil {
		return result, err
	}
	runtime.LockOSThread() // the device binds state to the thread
	defer runtime.UnlockOSThread()
	var note string
	if n.dev, note, err = n.open(); err != nil {
		return result, err
	}
	defer n.dev.Close()
	if note != "" {
		n.emit(Warning{note})
	}
	if err := n.prepare(ctx); err != nil {
		return result, err
	}
	if result, err = n.takePart(ctx, member); err != nil {
		return result, err
	}
	return result, n.Device.Kernels.Remember(ctx, n.dev)
}

// open opens the device as the configuration says.
func (n *node) open() (device op.Device, note string, err error) {
	if n.Open == nil {
		return OpenDevice(n.Device)
	}
	device, err = n.Open()
	return device, "", err
}

// takePart is the run in the cluster, from the first view to the last. A rank that the others have gone on without comes back.
func (n *node) takePart(ctx context.Context, member *Member) (result Result, err error) {
	defer func() { err = errors.Join(err, n.record.close()) }()
	for {
		err = member.Do(ctx, Introduction{
			Purpose: "training", Device: n.dev.Name(), Hardware: Hardware(n.dev), Digest: n.Config.digest(n.sets.Hash, n.initial.hash, n.dev.Name()),
			AboutDevice: n.dev.Description(), AboutData: n.sets.Dir,
		}, func(ctx context.Context, s *Session) (err error) {
			n.Session = s
			result, err = n.work(ctx)
			return err
		})
		var evicted *cluster.Evicted
		if !errors.As(err, &evicted) {
			return result, n.saysHowToGoOn(err)
		}
		n.emit(Evicted{evicted})
		if err := n.record.close(); err != nil {
			return result, err
		}
		n.record = nil
		if n.worker != nil {
			if err := n.worker.Forget(); err != nil {
				return result, err
			}
		}
		again := n.Member
		again.WorldSize, again.Join, again.Birth = 0, nil, time.Time{}
		for _, m := range evicted.Members {
			again.Join = append(again.Join, m.Addr)
		}
		member = NewMember(again, n.emit)
	}
}

// saysHowToGoOn adds to the end of an elastic job how to take it up again, where it has left something.
func (n *node) saysHowToGoOn(err error) error {
	var few *cluster.NoQuorum
	var left DepartedError
	switch {
	case errors.As(err, &left) && left.All && n.record != nil:
		return fmt.Errorf("%w %s", err, n.record.path)
	case errors.Is(err, train.ErrStateLost):
		return fmt.Errorf("%w: go on with --resume and the run's folder", err)
	case !errors.As(err, &few) && !errors.Is(err, gradsync.ErrShardLost) && !errors.As(err, new(*BarrenError)) || n.record == nil:
		return err
	}
	if len(statesIn(n.record.path)) == 0 {
		return fmt.Errorf("%w; no state is kept in %s: begin again", err, n.record.path)
	}
	return fmt.Errorf("%w; the state is kept in %s: where no other rank is at work, go on with --resume %s", err, n.record.path, n.record.path)
}

func (n *node) busy(with string) { n.emit(Busy{with}) }

// prepare reads what the run starts with, and chooses the kernels, before anybody waits for this node.
func (n *node) prepare(ctx context.Context) (err error) {
	if n.initial, err = await(ctx, n.busy, "reading "+n.Init, func() (*Initial, error) { return loadInitial(n.Init, n.Train.Model) }); err != nil {
		return err
	}
	if n.Resume != nil {
		n.initial.hash = "those of a run that goes on"
	}
	if err := n.loadData(ctx); err != nil {
		return err
	}
	if err := n.checkResumption(); err != nil {
		return err
	}
	model, err := models.Lookup(n.Train.Model)
	if err != nil {
		return err
	}
	for _, batch := range n.microBatchesToTry() {
		t, err := n.Device.Kernels.Tune(ctx, n.dev, model, batch, true)
		if err != nil {
			return err
		}
		if t.Operations > 0 {
			n.emit(KernelsTried{t})
		}
	}
	return nil
}

// microBatchesToTry are the sizes for which kernels are chosen beforehand: in an elastic job also those with a rank less and a rank more,
// for which nobody would want to wait when it comes to that.
func (n *node) microBatchesToTry() []int {
	world := n.Member.WorldSize
	if world == 0 { // whatever is there, the kernels that were chosen on this machine before are taken
		return nil
	}
	sizes := []int{n.microBatch()}
	if !n.Member.Elastic.On {
		return sizes
	}
	for _, other := range []int{world - 1, world + 1} {
		if size := n.microBatchOf(max(1, other)); !slices.Contains(sizes, size) {
			sizes = append(sizes, size)
		}
	}
	return sizes
}

// loadData takes the sets that are loaded already, or finds them.
func (n *node) loadData(ctx context.Context) (err error) {
	if n.Datasets != nil {
		n.sets = *n.Datasets
	} else {
		from := n.Data
		if from.Progress == nil {
			from.Progress = func(file string, done, total int64) { n.emit(Downloading{file, done, total}) }
		}
		if from.Say == nil {
			from.Say = n.busy
		}
		if n.sets, err = LoadData(ctx, from); err != nil {
			return err
		}
	}
	if err := n.Train.ValidateSamples(n.sets.Train.N); err != nil {
		return UsageError{err}
	}
	return nil
}

// openTrainingRing connects this rank to its neighbours, in the way that is configured or that turns out to be fast.
func (n *node) openTrainingRing(ctx context.Context) (*allreduce.Group, error) {
	if n.Autotune && n.View.WorldSize() > 1 {
		return n.openTunedRing(ctx)
	}
	return n.OpenRing(ctx, n.Ring, n.busyThreads())
}

// busyThreads is how many threads of this rank keep a core busy.
func (n *node) busyThreads() int { return BusyThreads(n.dev, n.Device.ComputeThreads()) }

// work is the run in one view: from its first step to the last epoch, or from where the view before has left it.
func (n *node) work(ctx context.Context) (result Result, err error) {
	n.pace.agreed()
	defer n.pace.known()
	ring, err := n.openTrainingRing(ctx)
	if err != nil {
		return result, err
	}
	defer func() { err = errors.Join(err, ring.Close()) }()
	n.pace.ringThere()
	if n.View.Generation > 1 {
		err = n.goOn(ctx, ring)
	} else {
		err = n.begin(ctx, ring)
	}
	if err != nil {
		return result, err
	}
	if err := n.worker.Run(ctx); err != nil {
		return result, Agreed(err, n.View.Rank)
	}
	if result, err = n.record.finish(); err != nil {
		return result, err
	}
	if err := n.trace.finish(ctx, ring); err != nil {
		return result, err
	}
	return result, n.Finish(ctx)
}

// begin prepares the first view's run.
func (n *node) begin(ctx context.Context, ring *allreduce.Group) (err error) {
	if err := checkKinds(n.View.Members, n.Train.ShardOptimizer); err != nil {
		_ = ring.Barrier(ctx) // the slowest must have its ring before the first of all ends the view
		return AgreedError{UsageError{err}}
	}
	if err := n.agreeOnResumption(ctx, ring); err != nil {
		return err
	}
	if n.record, err = n.openRecord(ctx, ring); err != nil {
		return err
	}
	if n.tuned != nil { // said once the run has a log file: who goes on with the run to the bit needs the flags
		n.emit(*n.tuned)
	}
	if n.trace, err = n.openTrace(ctx, ring); err != nil {
		return err
	}
	if err := n.firstWorker(ring); err != nil {
		return err
	}
	n.emit(Training{View: n.View, Config: n.Train, RunDir: n.record.path})
	n.pace.begins()
	return nil
}

// goOn takes the run into a view that follows another, of which this rank may not have been a member.
func (n *node) goOn(ctx context.Context, ring *allreduce.Group) (err error) {
	if n.worker == nil {
		if err := n.firstWorker(ring); err != nil {
			return err
		}
	}
	n.aligned, err = n.worker.Rejoin(ctx, train.View{Generation: n.View.Generation, Ring: ring, Rank: n.View.Rank, WorldSize: n.View.WorldSize()})
	if errors.Is(err, train.ErrStateLost) || errors.Is(err, gradsync.ErrShardLost) {
		return AgreedError{PeerError{err}}
	}
	if err != nil {
		return err
	}
	if n.record, err = n.openRecord(ctx, ring); err != nil {
		return err
	}
	n.pace.atOnePlace()
	n.emit(ViewBegun{View: n.View, Aligned: n.aligned, RunDir: n.record.path})
	return nil
}

// firstWorker makes the worker, with what the run starts from.
func (n *node) firstWorker(ring *allreduce.Group) error {
	if err := n.newWorker(ring); err != nil {
		return err
	}
	if err := n.initial.apply(n.Train.Model, n.worker.Params()); err != nil {
		return err
	}
	return n.resume(n.worker)
}

// newWorker builds what trains, for this rank's place in the view.
func (n *node) newWorker(ring *allreduce.Group) (err error) {
	n.worker, err = train.NewWorker(train.Options{
		Config: n.Train, Device: n.dev, Ring: ring, Rank: n.View.Rank, WorldSize: n.View.WorldSize(),
		Train: n.sets.Train, Test: n.sets.Test, OnStep: n.stepped, OnEpoch: n.epoch, OnState: n.state, Recorder: n.trace.record(),
		Elastic: n.Member.Elastic.On, Generation: n.View.Generation, Stragglers: n.Member.Elastic.Stragglers, Wants: n.wants,
	})
	return err
}

// wants is what this rank wishes to happen behind the step under way.
func (n *node) wants() (w gradsync.Wish) {
	select {
	case <-n.Leave:
		w |= gradsync.Leaves
	default:
	}
	if n.View.Leads() && n.Joiners() > 0 {
		w |= gradsync.Admits
	}
	return w
}

func (n *node) epoch(e train.Epoch) error { return n.record.epoch(e) }
func (n *node) state(s train.State) error { return n.record.state(s) }

// stepped is called by the worker after every step.
func (n *node) stepped(s train.Step) {
	n.Stepped()
	if r, ok := n.pace.stepped(); ok {
		r.View, r.Aligned = n.View, n.aligned
		n.emit(r)
	}
	n.emit(Step{s})
}

// checkKinds refuses ranks on several kinds of device (GPU, cpu, purego), unless each parameter is updated by one of them alone:
// the last bits of an update differ between kinds of device, and the ranks' parameters must not.
func checkKinds(members []cluster.Member, sharded bool) error {
	for _, m := range members {
		first := members[0]
		same := m.Device == first.Device || IsGPU(m.Device) && IsGPU(first.Device)
		if !sharded && !same {
			return fmt.Errorf("%s computes on %s and %s on %s, whose updates differ in the last bits: give all ranks --shard-optimizer, with which one rank alone updates each parameter",
				first.Name, first.Device, m.Name, m.Device)
		}
	}
	return nil
}
