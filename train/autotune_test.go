package train

import (
	"slices"
	"testing"

	"ringloom/allreduce"
	"ringloom/allreduce/allreducetest"
	"ringloom/nn"
	"ringloom/nn/op"
	"ringloom/nn/purego"
)

func TestRanksAgreeOnBuckets(t *testing.T) {
	defer func(was []int) { bucketSizes = was }(bucketSizes)
	bucketSizes = []int{64, 512, 600, 1 << 20, 2 << 20} // some of which are the same for so small a model
	const world = 3
	for name, change := range map[string]func(*Config){
		"plain":        func(*Config) {},
		"accelerators": func(*Config) {},
		"sharded bf16": func(c *Config) { c.ShardOptimizer, c.Wire = true, "bf16" },
		"accumulating": func(c *Config) { c.Accumulate = 2 },
	} {
		t.Run(name, func(t *testing.T) {
			cfg := DefaultConfig()
			cfg.Model, cfg.GlobalBatch, cfg.BucketBytes = smallName, 9, 1<<10
			change(&cfg)
			ring := allreduce.DefaultConfig()
			ring.Job, ring.WorldSize = "test", world
			groups, _ := allreducetest.Groups(ring, allreducetest.Faults{})
			defer allreducetest.CloseAll(groups)
			chosen, trials := make([]int, world), make([][]BucketTrial, world)
			errs := allreducetest.Run(groups, func(g *allreduce.Group) (err error) {
				device := op.Device(purego.New())
				if name == "accelerators" {
					device = mixed(g.Rank())
				}
				defer device.Close()
				chosen[g.Rank()], trials[g.Rank()], err = tuneBuckets(t.Context(), Options{
					Config: cfg, Device: device, Ring: g, Rank: g.Rank(), WorldSize: world, Train: stripes(90, 1), Test: stripes(9, 2),
				}, smallSpec)
				return err
			})
			for r, err := range errs {
				if err != nil {
					t.Fatalf("rank %d: %v", r, err)
				}
				if chosen[r] != chosen[0] || !slices.Equal(trials[r], trials[0]) {
					t.Errorf("rank %d chose %d after %v, rank 0 %d after %v", r, chosen[r], trials[r], chosen[0], trials[0])
				}
			}
			info, err := nn.Inspect(smallSpec.InputSide, smallSpec.Build)
			if err != nil {
				t.Fatal(err)
			}
			if trials[0][0].BucketBytes != cfg.BucketBytes {
				t.Errorf("the first trial is %+v", trials[0][0])
			}
			for i, trial := range trials[0] {
				c := cfg
				c.BucketBytes = trial.BucketBytes
				if n := len(BucketLengths(c, info)); n != trial.Buckets || trial.Seconds <= 0 {
					t.Errorf("%+v: %d buckets are due", trial, n)
				}
				for _, other := range trials[0][:i] {
					if other.Buckets == trial.Buckets {
						t.Errorf("%+v and %+v divide the model in the same way", other, trial)
					}
				}
			}
		})
	}
}

func TestOneWayToDivideIsNotMeasured(t *testing.T) {
	defer func(was []int) { bucketSizes = was }(bucketSizes)
	bucketSizes = []int{1 << 20, 64 << 20} // the whole of LeNet either way
	cfg := DefaultConfig()
	cfg.BucketBytes = 2 << 20
	groups, _ := allreducetest.Groups(func() allreduce.Config {
		c := allreduce.DefaultConfig()
		c.Job, c.WorldSize = "test", 2
		return c
	}(), allreducetest.Faults{})
	defer allreducetest.CloseAll(groups)
	device := purego.New()
	defer device.Close()
	// One rank alone: a measurement would wait for the other.
	bytes, trials, err := TuneBuckets(t.Context(), Options{
		Config: cfg, Device: device, Ring: groups[0], WorldSize: 2, Train: stripes(300, 1), Test: stripes(9, 2),
	})
	if err != nil || bytes != cfg.BucketBytes || trials != nil {
		t.Errorf("%d, %v, %v", bytes, trials, err)
	}
}
