package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"path/filepath"
	"slices"

	"github.com/spf13/pflag"
	"go.uber.org/zap"

	"ringloom/allreduce"
	"ringloom/models"
	"ringloom/nn"
	"ringloom/report"
	"ringloom/timeline"
	"ringloom/train"
)

// traceRequest is what a node's command line says about the timeline. Any node may ask for it; the lowest rank that does
// writes the file.
type traceRequest struct {
	File  string `json:"file,omitempty"`
	Steps int    `json:"steps,omitempty"`
}

// defaultTraceSteps are enough to see a run's habits and few enough for a viewer.
const defaultTraceSteps = 200

func traceFlags(fl *pflag.FlagSet, t *traceRequest) {
	fl.StringVar(&t.File, "trace", "", "write a timeline of all ranks to this file, for ui.perfetto.dev or chrome://tracing; on one node or on all")
	fl.IntVar(&t.Steps, "trace-steps", defaultTraceSteps, "with --trace: keep the last so many steps")
}

// check refuses what could not be written after hours of training.
func (t traceRequest) check(given *pflag.FlagSet, c train.Config) error {
	if t.File == "" {
		if given.Changed("trace-steps") {
			return fmt.Errorf("--trace-steps has no effect without --trace: give that as well, or leave it out")
		}
		return nil
	}
	if isDir(t.File) {
		return fmt.Errorf("--trace %s: it is a folder; name a file, such as %s", t.File, filepath.Join(t.File, "trace.json"))
	}
	if !isDir(filepath.Dir(t.File)) {
		return fmt.Errorf("--trace %s: there is no folder %s; make it, or name a file elsewhere", t.File, filepath.Dir(t.File))
	}
	if err := report.CheckWritable(t.File); err != nil {
		return fmt.Errorf("--trace %s: %w", t.File, err)
	}
	if t.Steps < 1 {
		return fmt.Errorf("--trace-steps %d: keep at least one step", t.Steps)
	}
	events, err := stepEvents(c)
	if err != nil {
		return err
	}
	if most := timeline.MaxEvents / events; t.Steps > most {
		return fmt.Errorf("--trace-steps %d: so much of a rank's time does not fit into the %d MiB that it can send; give at most %d",
			t.Steps, timeline.MaxBlockBytes>>20, most)
	}
	return nil
}

// stepEvents is the most that a rank records of a step.
func stepEvents(c train.Config) (int, error) {
	spec, err := models.Lookup(c.Model)
	if err != nil {
		return 0, err
	}
	info, err := nn.Inspect(spec.InputSide, spec.Build)
	if err != nil {
		return 0, err
	}
	return train.EventsPerStep(c, info), nil
}

// trace is one rank's part of the timeline.
type trace struct {
	n        *node
	request  traceRequest // of the rank that writes the file
	writes   bool         // this one
	recorder *timeline.Recorder
	first    timeline.Clock
}

// openTrace finds out whether any rank wants a timeline; then all record. It returns nil where none does.
func (n *node) openTrace(ctx context.Context, ring *allreduce.Group) (*trace, error) {
	block, err := json.Marshal(n.trace)
	if err != nil {
		return nil, err
	}
	blocks, err := ring.AllGatherBytes(ctx, block)
	if err != nil {
		return nil, fmt.Errorf("agreeing on --trace: %w", err)
	}
	requests := make([]traceRequest, len(blocks))
	for rank, b := range blocks {
		if err := json.Unmarshal(b, &requests[rank]); err != nil {
			return nil, fmt.Errorf("what rank %d says about --trace cannot be read: %w", rank, err)
		}
	}
	writer := slices.IndexFunc(requests, func(r traceRequest) bool { return r.File != "" })
	if writer < 0 {
		return nil, nil
	}
	t := &trace{n: n, request: requests[writer], writes: writer == n.view.Rank}
	events, err := stepEvents(n.Config)
	if err != nil {
		return nil, err
	}
	t.recorder = timeline.NewRecorder(events * min(t.request.Steps, n.Epochs*n.StepsPerEpoch(n.sets.train.N)))
	if t.first, err = timeline.MeasureClock(ctx, ring, n.view.Rank, t.recorder.Now); err != nil {
		return nil, err
	}
	return t, nil
}

// record is where training puts what it does; nil without a timeline.
func (t *trace) record() *timeline.Recorder {
	if t == nil {
		return nil
	}
	return t.recorder
}

// finish brings the ranks' records together and writes them where they were asked for.
func (t *trace) finish(ctx context.Context, ring *allreduce.Group) error {
	if t == nil {
		return nil
	}
	last, err := timeline.MeasureClock(ctx, ring, t.n.view.Rank, t.recorder.Now)
	if err != nil {
		return err
	}
	self := t.n.view.Members[t.n.view.Rank]
	record := t.recorder.Rank(t.n.view.Rank, self.Name, self.Device)
	record.Last(t.request.Steps)
	record.Align(t.first, last)
	ranks, err := timeline.Gather(ctx, ring, record)
	if err != nil {
		return err
	}
	t.n.logger.Debug("this rank's clock", zap.Duration("behind_rank_0", record.Offset), zap.Duration("uncertainty", record.Uncertainty))
	if !t.writes {
		return nil
	}
	err = report.WriteFileAtomic(t.request.File, func(w io.Writer) error { return timeline.WriteChrome(w, ranks) })
	if err != nil {
		return fmt.Errorf("writing the timeline %s: %w", t.request.File, err)
	}
	_, err = fmt.Fprintf(t.n.out, "timeline %s: %d ranks, open it in https://ui.perfetto.dev or chrome://tracing\n", t.request.File, len(ranks))
	return err
}
