package train

import (
	"errors"
	"math"
	"reflect"
	"slices"
	"testing"

	"ringloom/allreduce"
	"ringloom/allreduce/allreducetest"
)

// sharded are configurations that between them have every optimizer and everything that the update depends on but clipping.
func sharded() []Config {
	adam, adamw, sgd := testConfig(), normConfig(), normConfig()
	adam.Model, adam.BucketBytes = denseName, 1<<20 // one bucket
	adamw.Optimizer, adamw.WeightDecay, adamw.LearningRate = "adamw", 0.01, 0.01
	adamw.Accumulate, adamw.Schedule, adamw.WarmupEpochs = 2, "cosine", 0.5
	sgd.Nesterov, sgd.SyncBatchNorm, sgd.Accumulate = true, true, 2
	for _, c := range []*Config{&adam, &adamw, &sgd} {
		c.MaxSteps, c.Epochs = 8, 2
	}
	return []Config{adam, adamw, sgd}
}

func TestShardedOptimizerTrainsTheSameBits(t *testing.T) {
	for _, cfg := range sharded() {
		for world := allreducetest.Amount(3, 1, 1); world <= allreducetest.Amount(3, 4, 4); world++ {
			cfg.ShardOptimizer = false
			whole, errs := trainRing(t, cfg, world, nil)
			if err := errors.Join(errs...); err != nil {
				t.Fatal(err)
			}
			cfg.ShardOptimizer = true
			var states []kept
			shards, errs := trainRing(t, cfg, world, keep(&states))
			if err := errors.Join(errs...); err != nil {
				t.Fatal(err)
			}
			kept, all := 0, len(whole[0].optimizer)
			for rank, o := range shards {
				if !slices.Equal(o.values, whole[rank].values) || !slices.Equal(o.moments, whole[rank].moments) ||
					!reflect.DeepEqual(withoutTimes(o.epochs), withoutTimes(whole[rank].epochs)) {
					t.Errorf("%s, world %d: rank %d ends with other numbers than without shards", cfg.Optimizer, world, rank)
				}
				kept += len(o.optimizer)
				if share := (all + world - 1) / world; len(o.optimizer) > share+100 { // a remainder a bucket and kind
					t.Errorf("%s, world %d: rank %d keeps %d elements for the optimizer, its share is %d", cfg.Optimizer, world, rank, len(o.optimizer), share)
				}
			}
			if kept != all {
				t.Errorf("%s, world %d: the ranks keep %d elements for the optimizer, not %d", cfg.Optimizer, world, kept, all)
			}
			var gathered []float32
			for _, o := range states[len(states)-1].memory.Optimizer {
				gathered = append(gathered, o.Values...)
			}
			if !slices.Equal(gathered, whole[0].optimizer) {
				t.Errorf("%s, world %d: the state holds another optimizer's memory than without shards", cfg.Optimizer, world)
			}
		}
	}
}

// A vector that is divided among two rings leaves each rank two ranges of it.
func TestShardedOptimizerOverSeveralRings(t *testing.T) {
	cfg := testConfig()
	cfg.Model, cfg.BucketBytes, cfg.MaxSteps = "lenet", 1<<20, 3 // a bucket that is large enough to be divided
	ring := allreduce.DefaultConfig()
	ring.Job, ring.View, ring.WorldSize, ring.Rings = "test", 1, 3, 2
	var values [2][]float32
	for i, shard := range []bool{false, true} {
		cfg.ShardOptimizer = shard
		out, errs := trainOver(t, ring, cfg, specOf(t, cfg.Model), func(_ int, w *Worker) {
			if n := len(w.grads.Owned().Regions[0]); shard && n != 2 {
				t.Errorf("a rank owns %d regions of the bucket, not 2", n)
			}
		})
		if err := errors.Join(errs...); err != nil {
			t.Fatal(err)
		}
		values[i] = out[0].values
	}
	if !slices.Equal(values[0], values[1]) {
		t.Error("the parameters differ")
	}
}

// The norm is added up in another order: it is the same on all ranks, and that of the whole gradient but for rounding.
func TestShardedOptimizerClipsByTheNormOfTheWhole(t *testing.T) {
	cfg := denseConfig()
	cfg.ClipNorm, cfg.Epochs = 0.2, 2
	whole, errs := trainRing(t, cfg, 3, nil)
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	cfg.ShardOptimizer = true
	out, errs := trainRing(t, cfg, 3, nil)
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	for rank, o := range out {
		if !slices.Equal(o.values, out[0].values) {
			t.Errorf("rank %d ends with other parameters than rank 0", rank)
		}
		for i, e := range o.epochs {
			want := whole[0].epochs[i]
			if e.NormMax < cfg.ClipNorm || e.NormMax != out[0].epochs[i].NormMax || math.Abs(e.NormMax-want.NormMax) > 1e-5 || math.Abs(e.NormMean-want.NormMean) > 1e-5 {
				t.Errorf("epoch %d: rank %d has norms %v and %v, without shards %v and %v", i+1, rank, e.NormMean, e.NormMax, want.NormMean, want.NormMax)
			}
		}
	}
}

// From one file the run goes on with shards or without, by as many ranks or others.
func TestShardedStatesAreResumedEitherWay(t *testing.T) {
	cfg := everything()
	cfg.ClipNorm, cfg.Model = 0, denseName // the norm depends on the order of additions
	for _, before := range []bool{false, true} {
		var states []kept
		half := cfg
		half.MaxSteps, half.ShardOptimizer = 9, before
		if _, errs := trainRing(t, half, 3, keep(&states)); errors.Join(errs...) != nil {
			t.Fatal(errors.Join(errs...))
		}
		worlds := []int{4, 3, 1}
		for _, world := range worlds[:allreducetest.Amount(1, 3, 3)] {
			var want []float32
			for _, after := range []bool{false, true} {
				cfg.ShardOptimizer = after
				out, errs := trainRing(t, cfg, world, states[len(states)-1].from(t))
				if err := errors.Join(errs...); err != nil {
					t.Fatal(err)
				}
				if want == nil {
					want = out[0].values
				}
				if !slices.Equal(out[world-1].values, want) {
					t.Errorf("kept with shards %v, resumed by %d ranks with shards: other parameters than without", before, world)
				}
			}
		}
		straight, errs := trainRing(t, cfg, 3, nil)
		if err := errors.Join(errs...); err != nil {
			t.Fatal(err)
		}
		out, errs := trainRing(t, cfg, 3, states[len(states)-1].from(t))
		if err := errors.Join(errs...); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(out[0].values, straight[0].values) {
			t.Errorf("kept with shards %v: the resumed run ends with other parameters than the straight one", before)
		}
	}
}

func TestNonFiniteLossStopsShardsToo(t *testing.T) {
	cfg := testConfig()
	cfg.ShardOptimizer, cfg.LearningRate = true, 1e38
	_, errs := trainRing(t, cfg, 3, nil)
	for rank, err := range errs {
		var e *NonFiniteError
		if !errors.As(err, &e) || e.Step != 2 || err.Error() != errs[0].Error() {
			t.Errorf("rank %d ends with %v", rank, err)
		}
	}
}
