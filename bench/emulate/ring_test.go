package emulate_test

import (
	"errors"
	"fmt"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"ringloom/allreduce"
	"ringloom/allreduce/allreducetest"
	"ringloom/bench/emulate"
	"ringloom/data"
	"ringloom/models"
	"ringloom/timeline"
	"ringloom/train"
)

const (
	ringRanks = 4
	ringSteps = 3
	ringBatch = 64
	ringStep  = 100 * time.Millisecond
)

// trainEmulated trains on four ranks over the in-memory ring, in a bubble whose clock stands still while anything
// works. look sees every rank's worker after every step.
func trainEmulated(t *testing.T, model string, look func(*train.Worker) error) ([]timeline.Rank, []train.Epoch) {
	t.Helper()
	spec, err := models.Lookup(model)
	if err != nil {
		t.Fatal(err)
	}
	ring := allreduce.DefaultConfig()
	ring.Job, ring.View, ring.WorldSize = "test", 1, ringRanks
	groups, _ := allreducetest.Groups(ring, allreducetest.Faults{})
	defer allreducetest.CloseAll(groups)
	images := data.NewDataset(make([]byte, ringBatch*ringSteps*data.Side*data.Side), make([]byte, ringBatch*ringSteps), data.Side)
	records, epochs := make([]timeline.Rank, ringRanks), make([]train.Epoch, ringRanks)
	errs := allreducetest.Run(groups, func(g *allreduce.Group) error {
		device, err := emulate.New(emulate.Config{Step: ringStep, Model: spec, Batch: ringBatch / ringRanks})
		if err != nil {
			return err
		}
		defer device.Close()
		cfg := train.DefaultConfig()
		cfg.BucketBytes = 1 << 20
		cfg.Model, cfg.Epochs, cfg.GlobalBatch, cfg.CheckEvery = model, 1, ringBatch, 0
		recorder := timeline.NewRecorder(1 << 12)
		var looked error
		var worker *train.Worker
		worker, err = train.NewWorker(train.Options{
			Config: cfg, Device: device, Ring: g, Rank: g.Rank(), WorldSize: ringRanks, Train: images, Test: images, Recorder: recorder,
			OnStep:  func(train.Step) { looked = errors.Join(looked, look(worker)) },
			OnEpoch: func(e train.Epoch) error { epochs[g.Rank()] = e; return nil },
		})
		if err != nil {
			return err
		}
		if err := worker.Run(t.Context()); err != nil {
			return err
		}
		records[g.Rank()] = recorder.Rank(g.Rank(), "node", device.Name())
		return looked
	})
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	return records, epochs
}

// Four ranks of googlenet, each with a step of 100 ms, on however few cores: every gradient is summed over all ranks,
// and the buckets set out in order, spread over the backward pass.
func TestRanksOverARing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		records, epochs := trainEmulated(t, "googlenet", func(w *train.Worker) error {
			for i, p := range w.Params().List {
				g := w.Params().Grad(i).Host
				if g[0] != ringRanks*emulate.Gradient || g[len(g)/2] != 0 {
					return fmt.Errorf("the sum of the gradients of %s begins with %v", p.Name, g[0])
				}
			}
			return nil
		})
		for rank, e := range epochs {
			if math.Abs(e.Loss-math.Log(data.Classes)) > 1e-5 || e.Steps != ringSteps {
				t.Errorf("rank %d: loss %v after %d steps", rank, e.Loss, e.Steps)
			}
		}
		for rank, r := range records {
			count := map[timeline.Kind]int{}
			var backward timeline.Event
			next, begin := int32(0), time.Duration(0)
			for _, e := range r.Events {
				count[e.Kind]++
				switch e.Kind {
				case timeline.Backward:
					backward, next, begin = e, 0, e.Begin
				case timeline.Comm:
					if e.Bucket != next || e.Begin < begin || e.Begin > backward.End {
						t.Errorf("rank %d: %+v begins out of order or out of backward (%v to %v)", rank, e, backward.Begin, backward.End)
					}
					next, begin = next+1, e.Begin
				}
			}
			if count[timeline.Comm]%ringSteps != 0 || count[timeline.Comm]/ringSteps < 8 || count[timeline.Backward] != ringSteps {
				t.Errorf("rank %d: %v", rank, count)
			}
		}
		for rank, steps := range timeline.Breakdown(records) {
			if len(steps) != ringSteps {
				t.Errorf("rank %d: %d steps", rank, len(steps))
			}
			for _, s := range steps {
				if took := s.Forward + s.Backward; math.Abs(took-ringStep.Seconds()) > 0.001 || s.Total < took {
					t.Errorf("rank %d, step %d: forward and backward take %v s, the whole step %v", rank, s.Step, took, s.Total)
				}
			}
		}
	})
}
