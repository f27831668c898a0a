package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"ringloom/bench/elastic"
	"ringloom/bench/emulate"
	"ringloom/cluster"
	"ringloom/data"
	"ringloom/models"
	"ringloom/nn/op"
	"ringloom/run"
)

// benchElasticRankCommand is what `bench elastic` starts: a rank whose configuration is on standard input.
func benchElasticRankCommand() *cobra.Command {
	return &cobra.Command{
		Use:    "rank",
		Short:  "One rank of 'bench elastic'",
		Hidden: true,
		Args:   noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var c elastic.RankConfig
			if err := json.NewDecoder(cmd.InOrStdin()).Decode(&c); err != nil {
				return usageError{fmt.Errorf("the configuration on standard input: %w", err)}
			}
			return elasticRank(cmd.Context(), c, os.Stdout)
		},
	}
}

const (
	// testImages are so few that what is measured is not the evaluation at each epoch's end.
	testImages = 256
	// trainImages are those of Fashion-MNIST's training set.
	trainImages = 60_000
	// emulatedSteps are in an epoch of an emulated job; the last one is short.
	emulatedSteps = 100
)

// elasticSamples is the number in an epoch.
func elasticSamples(emulated bool, global int) int {
	if emulated {
		return emulatedSteps*global - global/2
	}
	return trainImages
}

// elasticRank trains as one rank, and says to out what happens.
func elasticRank(ctx context.Context, c elastic.RankConfig, out io.Writer) error {
	f := clusterFlags{log: "json", bind: "127.0.0.1:0", joinTimeout: time.Minute, job: "bench-elastic", name: c.Name, expect: c.Expect, ringDeadline: time.Minute}
	f.elastic = run.ElasticConfig{On: c.Elastic, Wait: time.Minute}
	if c.Join != "" {
		f.join = []string{c.Join}
	}
	if err := f.check(); err != nil {
		return err
	}
	cfg := run.Default()
	says := &elasticReporter{out: json.NewEncoder(out)}
	log := f.newEventLog()
	cfg.Member = f.member(log.Logger)
	cfg.Train.Model, cfg.Train.GlobalBatch, cfg.Train.MaxSteps, cfg.Train.Seed = c.Model, c.GlobalBatch, c.MaxSteps, c.Seed
	cfg.Train.Epochs = 1 << 20 // until it is told to leave
	cfg.Device.Name, cfg.Device.Threads, cfg.Version = c.Device, c.Threads, version
	sets, err := elasticData(ctx, c)
	if err != nil {
		return err
	}
	cfg.Datasets = &sets
	if c.Emulate > 0 {
		cfg.Device.Name = "auto"
		model, err := models.Lookup(c.Model)
		if err != nil {
			return err
		}
		cfg.Open = func() (op.Device, error) {
			return emulate.New(emulate.Config{Step: c.Emulate, Model: model, Batch: c.Share})
		}
	}
	if c.Elastic {
		cfg.Leave = leaving.arm(20*time.Second, 0)
	}
	_, err = run.Node(ctx, cfg, func(e run.Event) {
		says.take(e)
		log.take(e)
	})
	return err
}

// elasticData is Fashion-MNIST with few test images, or blank images where nothing looks at them.
func elasticData(ctx context.Context, c elastic.RankConfig) (run.Datasets, error) {
	if c.Emulate > 0 {
		blank := func(n int) *data.Dataset {
			return data.NewDataset(make([]byte, n*data.Side*data.Side), make([]byte, n), data.Side)
		}
		return run.NewDatasets(blank(elasticSamples(true, c.GlobalBatch)), blank(c.GlobalBatch), "blank images"), nil
	}
	sets, err := run.LoadData(ctx, data.Options{Dir: c.Data, Offline: true})
	if err != nil {
		return sets, err
	}
	t := sets.Test
	few := data.NewDataset(t.Images[:testImages*t.Side*t.Side], t.Labels[:testImages], t.Side)
	return run.NewDatasets(sets.Train, few, sets.Dir), nil
}

// elasticReporter says what happens to the process that has started this one.
type elasticReporter struct {
	out     *json.Encoder
	seat    elastic.Message
	last    time.Time      // the last step
	changed *run.Recovered // with the step under way
}

func (r *elasticReporter) say(m elastic.Message) {
	m.At = time.Now().UnixNano()
	_ = r.out.Encode(m) // where nobody reads it, this process is about to be ended
}

// take is a run.Sink.
func (r *elasticReporter) take(event run.Event) {
	switch e := event.(type) {
	case run.Looking: // again where it comes back, at another address
		r.say(elastic.Message{Kind: elastic.Address, Address: e.Address})
	case run.Training:
		r.sit(e.View.Generation, e.View.Rank, names(e.View.Members))
	case run.ViewBegun:
		r.sit(e.View.Generation, e.View.Rank, names(e.View.Members))
	case run.Recovered:
		r.changed = &e
	case run.Step:
		r.step(e)
	case run.Evicted:
		r.say(elastic.Message{Kind: elastic.Evicted})
	}
}

// names are those of members, by rank.
func names(members []cluster.Member) []string {
	all := make([]string, len(members))
	for i, m := range members {
		all[i] = m.Name
	}
	return all
}

func (r *elasticReporter) sit(view uint64, rank int, members []string) {
	r.seat = elastic.Message{View: view, Rank: rank, Members: members}
	m := r.seat
	m.Kind = elastic.Seated
	r.say(m)
}

// step says that a step is committed, and before it, where it is the first in another view, what has passed since the last one.
func (r *elasticReporter) step(s run.Step) {
	m := r.seat
	m.Epoch, m.Step, m.Steps = s.Epoch, s.Step.Step, s.Steps
	if c := r.changed; c != nil {
		m.Kind, m.Last, m.Bytes = elastic.Recovered, r.last.UnixNano(), c.Aligned.Bytes
		m.Known, m.Agreed, m.Ring, m.Place = int64(c.Known), int64(c.Agreed), int64(c.Ring), int64(c.AtOnePlace)
		r.say(m)
		m.Last, m.Bytes, m.Known, m.Agreed, m.Ring, m.Place = 0, 0, 0, 0, 0, 0
		r.changed = nil
	}
	m.Kind, m.Members, m.Batch, m.Told = elastic.Stepped, nil, s.Batch, s.Told
	r.say(m)
	r.last = time.Now()
}
