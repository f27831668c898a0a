package measure

import (
	"errors"
	"slices"
	"testing"
	"time"

	"ringloom/allreduce"
	"ringloom/allreduce/memring"
	"ringloom/bench/emulate"
	"ringloom/bench/scaling"
	"ringloom/data"
	"ringloom/models"
	"ringloom/nn/op"
	"ringloom/nn/purego"
)

// measureAll measures on all ranks of an in-memory ring and returns their studies.
func measureAll(t *testing.T, c Config, ranks int, open func() (op.Device, error)) []scaling.Study {
	t.Helper()
	cfg := allreduce.DefaultConfig()
	cfg.Job, cfg.View, cfg.WorldSize, cfg.Alone = "test", 1, ranks, ranks == 1
	var groups []*allreduce.Group
	var err error
	if cfg.Alone {
		var g *allreduce.Group
		g, err = allreduce.New(cfg)
		groups = append(groups, g)
	} else {
		groups, err = memring.Groups(cfg)
	}
	if err != nil {
		t.Fatal(err)
	}
	studies, errs := make([]scaling.Study, ranks), make(chan error, ranks)
	for r, g := range groups {
		go func() {
			var err error
			studies[r], err = Measure(t.Context(), c, Rank{Ring: g, Open: open, Threads: 1, Node: "node", Images: fewImages()})
			errs <- errors.Join(err, g.Close())
		}()
	}
	for range groups {
		if err := <-errs; err != nil {
			t.Fatal(err)
		}
	}
	return studies
}

// fewImages make epochs of a few steps, so that they end in the middle of a measurement.
func fewImages() *data.Dataset {
	const n = 30
	return data.NewDataset(make([]byte, n*data.Side*data.Side), make([]byte, n), data.Side)
}

func config(t *testing.T, model string, batches ...int) Config {
	t.Helper()
	spec, err := models.Lookup(model)
	if err != nil {
		t.Fatal(err)
	}
	c := DefaultConfig()
	c.Model, c.GlobalBatches, c.WarmUp, c.Steps, c.Collectives = spec, batches, 2, 4, []int64{4 << 10, 64 << 10}
	return c
}

func TestMeasureRealSteps(t *testing.T) {
	c := config(t, "lenet", 4, 8)
	c.BucketBytes, c.Steps = 20_000, 2
	for _, ranks := range []int{1, 2} {
		studies := measureAll(t, c, ranks, func() (op.Device, error) { return purego.New(), nil })
		s := studies[0]
		if len(s.Points) != 2 || s.Points[0].GlobalBatch != 4 || s.Points[1].GlobalBatch != 8 || s.GradientBytes != 4*61706 || len(s.Buckets) < 3 {
			t.Fatalf("%d ranks: %+v", ranks, s)
		}
		if !slices.IsSorted(s.BucketReady) || len(s.BucketReady) != len(s.Buckets) {
			t.Errorf("%d ranks: buckets are ready at %v", ranks, s.BucketReady)
		}
		if want := len(c.Collectives); ranks == 2 && len(s.Collectives) != want || ranks == 1 && len(s.Collectives) != 0 {
			t.Errorf("%d ranks: %d collectives", ranks, len(s.Collectives))
		}
		for r, other := range studies {
			for i, p := range other.Points {
				if p.StepSeconds != s.Points[i].StepSeconds || len(p.PerRank) != ranks {
					t.Errorf("rank %d: %+v, rank 0: %+v", r, p, s.Points[i])
				}
			}
		}
		var all Collection
		all.Add(1, s)
		if _, err := scaling.Analyse(all.Study(Batches{Weak: 4 / ranks, Strong: 8})); err != nil {
			t.Error(err)
		}
	}
}

func TestMeasureEmulatedSteps(t *testing.T) {
	const step = 20 * time.Millisecond
	c := config(t, "lenet", 8)
	s := measureAll(t, c, 2, func() (op.Device, error) {
		return emulate.New(emulate.Config{Step: step, Model: c.Model, Batch: 4})
	})[0]
	p := s.Points[0]
	for _, r := range p.PerRank {
		if compute := r.Parts.Forward + r.Parts.Backward; compute < 0.5*step.Seconds() {
			t.Errorf("rank %d computes for %v s of an emulated step of %v", r.Rank, compute, step)
		}
	}
	if s.Device == "" || p.Steps != 4 || p.ThreadsPerRank != 1 || p.ImagesPerSecond != 8/p.StepSeconds {
		t.Errorf("%+v", s)
	}
}
