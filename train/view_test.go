package train

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"ringloom/allreduce"
	"ringloom/allreduce/memring"
	"ringloom/shard"
	"ringloom/train/gradsync"
)

// mortal is a transport that dies, as its process would, when it has sent so many frames.
type mortal struct {
	*memring.Transport
	sent  *atomic.Int64
	until int64 // 0 for ever
}

func (m *mortal) Send(to allreduce.Peer, frame []byte) error {
	if n := m.sent.Add(1); m.until > 0 && n >= m.until {
		m.Kill()
	}
	return m.Transport.Send(to, frame)
}

// troupe is a run of ranks that may die, leave and join.
type troupe struct {
	t       *testing.T
	cfg     Config
	devices fleet
	victim  int   // the first view's rank that goes
	dies    int64 // behind so many frames; 0 never
	leaves  int   // behind so many steps; 0 never
	joins   int   // behind so many steps somebody joins; 0 never
	second  int   // the second view's rank that dies too, behind so many frames; 0 never
	again   int64
	lost    error // why a run with shards has ended

	shares     []int   // of the first view, nil for even ones
	stragglers string  // policy
	slowness   float64 // by which the victim says that it takes longer
	lastErr    error   // of the victim

	sent    atomic.Int64 // frames of the victim
	changes []Aligned
	views   uint64
}

// actor is a rank of a troupe.
type actor struct {
	*Worker
	name int // its rank in the first view
	end  outcome
	ring *allreduce.Group
	err  error // with which Run has ended
	gone bool
}

func (x *troupe) ring(world int, victim int) []*allreduce.Group {
	x.views++
	c := allreduce.DefaultConfig()
	c.Job, c.View, c.WorldSize, c.ChunkBytes, c.WindowBytes, c.Linger = "test", x.views, world, 512, 2048, 5*time.Second
	groups := make([]*allreduce.Group, world)
	if world == 1 {
		c.Alone = true
		groups[0], _ = allreduce.New(c)
		return groups
	}
	for rank, transport := range memring.New(c) {
		c.Rank = rank
		var end allreduce.Transport = transport
		switch {
		case rank == victim:
			end = &mortal{transport, &x.sent, x.dies}
		case x.again > 0 && x.views == 2 && rank == x.second:
			end = &mortal{transport, new(atomic.Int64), x.again}
		}
		var err error
		if groups[rank], err = allreduce.New(c, end); err != nil {
			x.t.Fatal(err)
		}
	}
	return groups
}

func (x *troupe) newActor(name int, v View) *actor {
	a := &actor{name: name, ring: v.Ring}
	trainSet, testSet := stripes(90, 1), stripes(33, 2)
	o := Options{
		Config: x.cfg, Device: x.devices(name), Ring: v.Ring, Rank: v.Rank, WorldSize: v.WorldSize, Train: trainSet, Test: testSet, Elastic: true, Generation: v.Generation,
		OnEpoch: func(e Epoch) error { a.end.epochs = append(a.end.epochs, e); return nil },
	}
	o.Wants = func() gradsync.Wish {
		switch next := a.Progress().Steps + 1; {
		case x.leaves > 0 && next == x.leaves && name == x.victim:
			return gradsync.Leaves
		case x.joins > 0 && next == x.joins && v.Rank == 0:
			return gradsync.Admits
		}
		return 0
	}
	o.Stragglers = x.stragglers
	var err error
	if a.Worker, err = newWorker(o, specOf(x.t, x.cfg.Model)); err != nil {
		x.t.Fatal(err)
	}
	if x.shares != nil {
		a.Worker.stragglers.shares = x.shares
		if a.sampler, err = shard.New(a.shardConfig(v.WorldSize, v.Rank)); err != nil {
			x.t.Fatal(err)
		}
	}
	if x.slowness > 0 { // times that no busy machine changes
		a.pretend = func(samples int) time.Duration {
			d := time.Duration(samples) * time.Millisecond
			if name == x.victim {
				d = time.Duration(float64(d) * x.slowness)
			}
			return d
		}
	}
	return a
}

// play runs it to the end, and returns those that are left.
func (x *troupe) play(world int) []*actor {
	x.t.Helper()
	ctx := context.Background()
	groups := x.ring(world, x.victim)
	var cast []*actor
	for rank := range world {
		cast = append(cast, x.newActor(rank, View{x.views, groups[rank], rank, world}))
	}
	defer func() {
		for _, a := range cast {
			a.Device.Close()
		}
	}()
	for round := 0; ; round++ {
		var wg sync.WaitGroup
		for rank, a := range cast {
			wg.Go(func() {
				a.err = func() error {
					if round > 0 {
						aligned, err := a.Rejoin(ctx, View{x.views, a.ring, rank, len(cast)})
						if err != nil {
							return err
						}
						if rank == 0 {
							x.changes = append(x.changes, aligned)
						}
					}
					if err := a.Run(ctx); err != nil {
						return err
					}
					_ = a.ring.Barrier(ctx) // nobody goes before all are done
					return nil
				}()
				a.ring.Close()
			})
		}
		wg.Wait()
		done := true
		var next []*actor
		joined := false
		for rank, a := range cast {
			var change *Change
			var broken *allreduce.Error
			switch {
			case a.err == nil:
			case errors.As(a.err, &change):
				done = false
				joined = joined || x.joins > 0 && change.Step == x.joins
				a.gone = slices.Contains(change.Leaving, rank)
				if a.gone {
					x.lastErr = a.err
				}
			case errors.As(a.err, &broken):
				done = false
				a.gone = x.dies > 0 && a.name == x.victim || x.again > 0 && round == 1 && rank == x.second
			case errors.Is(a.err, gradsync.ErrShardLost):
				x.lost = a.err
			default:
				x.t.Fatalf("rank %d: %v", a.name, a.err)
			}
			if a.gone {
				a.Device.Close()
				continue
			}
			next = append(next, a)
		}
		if x.lost != nil {
			return nil
		}
		if done {
			break
		}
		world := len(next)
		if joined {
			world++
		}
		groups = x.ring(world, -1)
		if joined {
			next = append(next, x.newActor(len(cast), View{x.views, groups[world-1], world - 1, world}))
		}
		for rank, a := range next {
			a.ring = groups[rank]
		}
		cast = next
	}
	for _, a := range cast {
		if err := a.params.Pull(); err != nil {
			x.t.Fatal(err)
		}
		a.end.values, a.end.moments = slices.Clone(a.values()), slices.Clone(a.params.StateValues.Host)
		local, err := a.grads.Local()
		if err != nil {
			x.t.Fatal(err)
		}
		for _, kind := range local.Optimizer {
			a.end.optimizer = append(a.end.optimizer, slices.Clone(kind.Values)...)
		}
		a.end.residual = slices.Concat(local.Residuals...)
	}
	return cast
}

// elasticConfigs are runs with every option that remembers something or meets in the middle of a step.
func elasticConfigs() map[string]Config {
	feedback := denseConfig()
	feedback.Wire, feedback.ClipNorm, feedback.Epochs = "int8", 0.1, 3
	factors := denseConfig()
	factors.Epochs = 3
	factors.PowerSGD, factors.PowerSGDStart, factors.Wire, factors.ErrorFeedback = 2, 2, "bf16", "on"
	moments := normConfig()
	moments.Accumulate, moments.Wire = 2, "fp16"
	shards := feedback
	shards.ShardOptimizer = true
	plainShards := testConfig()
	plainShards.ShardOptimizer = true
	shared := moments
	shared.SyncBatchNorm, shared.Wire = true, "float32"
	all := map[string]Config{"plain": testConfig(), "int8, clipped": feedback, "powersgd, bf16": factors, "batch norm, fp16": moments, "shared batch norm": shared,
		"sharded int8, clipped": shards, "sharded": plainShards}
	if testing.Short() { // as under the race detector: one of each kind
		for name := range all {
			if name != "powersgd, bf16" && name != "shared batch norm" && name != "sharded" {
				delete(all, name)
			}
		}
	}
	return all
}

// fleets are the two kinds of device; with -short, under the race detector, the host alone.
func fleets() map[string]fleet {
	if testing.Short() {
		return map[string]fleet{"hosts": hosts}
	}
	return map[string]fleet{"hosts": hosts, "accelerators": accelerators}
}

// deaths is how many a test goes through: few where tests are short or many run, all with RINGLOOM_TEST_LONG=1.
func deaths(few, all int) int {
	switch {
	case os.Getenv("RINGLOOM_TEST_LONG") != "":
		return all
	case testing.Short():
		return min(few, 2)
	}
	return few
}

// A rank that dies anywhere, in the middle of a bucket, between the sums and the commit, in an evaluation, costs the others at most the step
// under way: they end with the bits of a run in which it has left behind the last committed step, and no sample is lost or repeated.
func TestADeathAnywhereLeavesTheBitsOfALeave(t *testing.T) {
	points := deaths(4, 60)
	for name, cfg := range elasticConfigs() {
		for fleetName, devices := range fleets() {
			t.Run(name+", "+fleetName, func(t *testing.T) {
				whole := &troupe{t: t, cfg: cfg, devices: devices, victim: 1}
				whole.play(3)
				frames := whole.sent.Load()
				leaves := map[int][]*actor{}
				random := rand.New(rand.NewPCG(17, uint64(len(name)+len(fleetName))))
				followed := 0
				for range points {
					x := &troupe{t: t, cfg: cfg, devices: devices, victim: random.IntN(3), dies: 1 + random.Int64N(frames)}
					got := x.play(3)
					if len(got) == 3 {
						continue // it died when all were done
					}
					if len(x.changes) != 1 || len(got) != 2 {
						t.Fatalf("behind %d frames of rank %d: %+v, %d ranks", x.dies, x.victim, x.changes, len(got))
					}
					at := x.changes[0].Steps
					followed += x.changes[0].Followed
					if at == 0 || at == 6*cfg.Epochs { // nothing to leave behind, or nothing left to do
						continue
					}
					key := at*3 + x.victim
					if leaves[key] == nil {
						leaves[key] = (&troupe{t: t, cfg: cfg, devices: devices, victim: x.victim, leaves: at}).play(3)
					}
					for rank, a := range got {
						if d := difference(a, leaves[key][rank]); d != "" {
							t.Errorf("rank %d died behind %d frames, step %d: rank %d ends with %s", x.victim, x.dies, at, rank, d)
						}
						countSamples(t, a, fmt.Sprintf("behind %d frames of rank %d", x.dies, x.victim))
					}
				}
				t.Logf("%d frames, %d ranks followed another", frames, followed)
			})
		}
	}
}

// difference says in what two ranks differ.
func difference(a, b *actor) string {
	var d []string
	for what, pair := range map[string][2][]float32{
		"values": {a.end.values, b.end.values}, "moments": {a.end.moments, b.end.moments},
		"optimizer": {a.end.optimizer, b.end.optimizer}, "residual": {a.end.residual, b.end.residual},
	} {
		if !slices.Equal(pair[0], pair[1]) {
			d = append(d, "other "+what)
		}
	}
	return strings.Join(d, ", ")
}

// countSamples checks that each epoch's outcome was told once and counts each sample once.
func countSamples(t *testing.T, a *actor, when string) {
	t.Helper()
	for i, e := range a.end.epochs {
		samples := 0
		for _, r := range e.Ranks {
			samples += r.Samples
		}
		if e.Number != i+1+a.Epochs-len(a.end.epochs) || samples != 90 || len(e.StepLoss) != 6 {
			t.Errorf("%s, rank %d: epoch %d has %d samples in %d steps", when, a.name, e.Number, samples, len(e.StepLoss))
		}
	}
}

// A rank that joins takes part from the next step on; one that left and one that joined, in turn, from two to one to two.
func TestJoiningAndLeaving(t *testing.T) {
	for name, cfg := range elasticConfigs() {
		t.Run(name, func(t *testing.T) {
			for _, devices := range []fleet{hosts, accelerators} {
				x := &troupe{t: t, cfg: cfg, devices: devices, victim: 1, leaves: 2, joins: 8}
				cast := x.play(2)
				if len(cast) != 2 || len(x.changes) != 2 || x.changes[0].Steps != 2 || x.changes[1].Steps != 8 || x.changes[1].Joined != 1 {
					t.Fatalf("%d ranks, %+v", len(cast), x.changes)
				}
				if !slices.Equal(cast[0].end.values, cast[1].end.values) || !cfg.ShardOptimizer && !slices.Equal(cast[0].end.optimizer, cast[1].end.optimizer) {
					t.Error("the ranks end with different parameters")
				}
				countSamples(t, cast[0], "joined")
			}
		})
	}
}

// The table of how ranks come to one place.
func TestAlign(t *testing.T) {
	at := func(steps, epochs int) standing {
		return standing{Progress: Progress{steps, epochs, true}, BaseWorld: 3}
	}
	fresh, founder := standing{}, standing{Founder: true}
	for name, c := range map[string]struct {
		ranks []standing
		want  alignment
		fails string
	}{
		"all alike":              {[]standing{at(4, 0), at(4, 0)}, alignment{to: Progress{4, 0, true}, base: 3}, ""},
		"one is a step ahead":    {[]standing{at(4, 0), at(5, 0)}, alignment{to: Progress{5, 0, true}, base: 3, source: 1, transfer: true}, ""},
		"one has told":           {[]standing{at(6, 1), at(6, 0)}, alignment{to: Progress{6, 0, true}, base: 3, source: 1}, ""},
		"one has joined":         {[]standing{at(4, 0), fresh}, alignment{to: Progress{4, 0, true}, base: 3, transfer: true}, ""},
		"one has begun, no step": {[]standing{founder, at(0, 0)}, alignment{begins: true, source: -1}, ""},
		"one has resumed":        {[]standing{founder, at(4, 0)}, alignment{to: Progress{4, 0, true}, base: 3, source: 1, transfer: true}, ""},
		"nobody has begun":       {[]standing{founder, fresh}, alignment{begins: true, source: -1}, ""},
		"only joiners are left":  {[]standing{fresh, fresh}, alignment{}, "the ranks that had the run's state are gone"},
		"two steps apart":        {[]standing{at(4, 0), at(6, 0)}, alignment{}, "more than one"},
		"the state is elsewhere": {[]standing{founder, {Resumes: true}}, alignment{}, "does not lead"},
	} {
		got, err := align(c.ranks)
		if c.fails != "" {
			if err == nil || !strings.Contains(err.Error(), c.fails) {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		got.former, got.places = seat{}, nil
		if err != nil || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %+v, %v; want %+v", name, got, err, c.want)
		}
	}
}

// A second rank dies while the others come to one place after the first one's death: those that are left end with the same parameters, and
// count each sample once. Where the two had all that there was of a part of the optimizer's memory, the run says so.
func TestADeathInTheMiddleOfAChange(t *testing.T) {
	points := deaths(5, 120)
	for name, cfg := range elasticConfigs() {
		t.Run(name, func(t *testing.T) {
			random := rand.New(rand.NewPCG(23, uint64(len(name))))
			lost := 0
			for range points {
				x := &troupe{t: t, cfg: cfg, devices: hosts, victim: random.IntN(4), dies: 1 + random.Int64N(250), second: random.IntN(3), again: 1 + random.Int64N(60)}
				cast := x.play(4)
				when := fmt.Sprintf("rank %d died behind %d frames, then rank %d behind %d", x.victim, x.dies, x.second, x.again)
				if x.lost != nil && cfg.ShardOptimizer {
					lost++
					continue
				}
				if len(cast) != 2 {
					t.Fatalf("%s: %d ranks are left, %v", when, len(cast), x.lost)
				}
				if !slices.Equal(cast[0].end.values, cast[1].end.values) {
					t.Errorf("%s: the ranks end with different parameters", when)
				}
				for _, a := range cast {
					countSamples(t, a, when)
				}
			}
			if lost == points && points > 5 {
				t.Error("a part of the optimizer's memory was lost every time")
			}
			t.Logf("lost %d of %d", lost, points)
		})
	}
}

// What a change leaves is what a resumption from disk would: the bits of a run of the ranks that are left, which begins with the state behind
// the step, less what the rank that is gone alone remembered.
func TestAChangeIsAResumptionFromMemory(t *testing.T) {
	const world, gone, at = 3, 1, 2
	for name, cfg := range elasticConfigs() {
		for fleetName, devices := range fleets() {
			if cfg.ShardOptimizer && cfg.Wire != "float32" {
				continue // where parts are mirrored their sums are rounded, which they are not without
			}
			t.Run(name+", "+fleetName, func(t *testing.T) {
				want := (&troupe{t: t, cfg: cfg, devices: devices, victim: gone, leaves: at}).play(world)

				state, values, moments := stateAt(t, cfg, devices, world, at)
				state.WorldSize--
				state.Ranks = slices.Delete(state.Ranks, gone, gone+1)
				for rank := range state.Ranks {
					state.Ranks[rank].RankEpoch.Rank = rank
				}
				if len(state.Residuals) > 0 {
					state.Residuals = slices.Delete(state.Residuals, gone, gone+1)
				}
				own := len(moments)
				state.Moments = slices.Delete(state.Moments, gone*own, (gone+1)*own)
				ring := allreduce.DefaultConfig()
				ring.Job, ring.View, ring.WorldSize, ring.ChunkBytes, ring.WindowBytes = "test", 1, world-1, 512, 2048
				got, errs := trainFleetAnd(t, ring, cfg, specOf(t, cfg.Model), devices, func(rank int, w *Worker) {
					if rank == 0 {
						copy(w.values(), values)
						if err := w.Resume(state); err != nil {
							t.Error(err)
						}
					}
				}, func(w *Worker) error { return w.params.Pull() })
				if err := errors.Join(errs...); err != nil {
					t.Fatal(err)
				}
				for rank, a := range want {
					if d := difference(a, &actor{end: got[rank]}); d != "" {
						t.Errorf("rank %d ends with %s", rank, d)
					}
				}
			})
		}
	}
}

// stateAt is the state of a run behind a step, its parameters, and the mean running moments.
func stateAt(t *testing.T, cfg Config, devices fleet, world, step int) (state State, values, moments []float32) {
	t.Helper()
	cfg.CheckpointEvery, cfg.MaxSteps = step, step+1
	ring := allreduce.DefaultConfig()
	ring.Job, ring.View, ring.WorldSize, ring.ChunkBytes, ring.WindowBytes = "test", 1, world, 512, 2048
	_, errs := trainFleetAnd(t, ring, cfg, specOf(t, cfg.Model), devices, func(rank int, w *Worker) {
		w.OnState = func(s State) error {
			if rank > 0 || s.Steps != step {
				return nil
			}
			state, values, moments = s, slices.Clone(w.values()), slices.Clone(w.params.StateValues.Host)
			state.Config.MaxSteps, state.Config.CheckpointEvery = 0, 0
			state.Moments = slices.Clone(s.Moments)
			state.Factors = slices.Clone(s.Factors)
			for i := range state.Optimizer {
				state.Optimizer[i].Values = slices.Clone(s.Optimizer[i].Values)
			}
			return nil
		}
	}, nil)
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	return state, values, moments
}
