package run

import (
	"context"
	"fmt"
	"io"
	"os"
	"slices"

	"ringloom/allreduce"
	"ringloom/report"
	"ringloom/timeline"
	"ringloom/train"
)

// defaultTraceSteps are enough to see a run's habits and few enough for a viewer.
const defaultTraceSteps = 200

// TraceConfig is what a node says about the timeline. Any node may ask for it; the lowest rank that does writes the file.
type TraceConfig struct {
	// File is where the timeline is written. Empty, the default: this node asks for none.
	File string `json:"file,omitempty"`
	// Steps are the last ones that it holds. Default 200; more take memory on every rank.
	Steps int `json:"steps,omitempty"`
}

// DefaultTraceConfig asks for nothing.
func DefaultTraceConfig() TraceConfig { return TraceConfig{Steps: defaultTraceSteps} }

// Validate refuses what could not be written after hours of training.
func (t TraceConfig) Validate(c train.Config) error {
	if t.File == "" {
		return nil
	}
	if err := report.CheckWritable(t.File); err != nil {
		return settingError("trace", " %s: %w", t.File, err)
	}
	return t.validateSteps(c)
}

// validateSteps refuses what no rank can record and send; another rank may ask for it.
func (t TraceConfig) validateSteps(c train.Config) error {
	if t.Steps < 1 {
		return settingError("trace-steps", " %d: keep at least one step", t.Steps)
	}
	events, err := stepEvents(c)
	if err != nil {
		return err
	}
	if most := timeline.MaxEvents / events; t.Steps > most {
		return settingError("trace-steps", " %d: so much of a rank's time does not fit into the %d MiB that it can send; give at most %d",
			t.Steps, timeline.MaxBlockBytes>>20, most)
	}
	return nil
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// stepEvents is the most that a rank records of a step.
func stepEvents(c train.Config) (int, error) {
	_, info, err := lookUp(c.Model)
	if err != nil {
		return 0, err
	}
	return train.EventsPerStep(c, info), nil
}

// trace is one rank's part of the timeline.
type trace struct {
	n        *node
	request  TraceConfig // of the rank that writes the file
	writes   bool        // this one
	recorder *timeline.Recorder
	first    timeline.Clock
}

// openTrace finds out whether any rank wants a timeline; then all record. It returns nil where none does.
func (n *node) openTrace(ctx context.Context, ring *allreduce.Group) (*trace, error) {
	requests, err := allreduce.AllGatherJSON(ctx, ring, n.Trace)
	if err != nil {
		return nil, fmt.Errorf("agreeing on the timeline: %w", err)
	}
	writer := slices.IndexFunc(requests, func(r TraceConfig) bool { return r.File != "" })
	if writer < 0 {
		return nil, nil
	}
	if err := requests[writer].validateSteps(n.Train); err != nil {
		return nil, fmt.Errorf("rank %d asks for a timeline: %w", writer, err)
	}
	t := &trace{n: n, request: requests[writer], writes: writer == n.View.Rank}
	events, err := stepEvents(n.Train)
	if err != nil {
		return nil, err
	}
	t.recorder = timeline.NewRecorder(events * min(t.request.Steps, n.Train.Epochs*n.Train.StepsPerEpoch(n.sets.Train.N)))
	if t.first, err = timeline.MeasureClock(ctx, ring, n.View.Rank, t.recorder.Now); err != nil {
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
	view := t.n.View
	last, err := timeline.MeasureClock(ctx, ring, view.Rank, t.recorder.Now)
	if err != nil {
		return err
	}
	self := view.Members[view.Rank]
	record := t.recorder.Rank(view.Rank, self.Name, self.Device)
	record.Last(t.request.Steps)
	record.Align(t.first, last)
	ranks, err := timeline.Gather(ctx, ring, record)
	if err != nil {
		return err
	}
	t.n.emit(ClockMeasured{Behind: record.Offset, Uncertainty: record.Uncertainty})
	if !t.writes {
		return nil
	}
	file := t.n.Trace.File // and not what came back from the others
	err = report.WriteFileAtomic(file, func(w io.Writer) error { return timeline.WriteChrome(w, ranks) })
	if err != nil {
		return fmt.Errorf("writing the timeline %s: %w", file, err)
	}
	t.n.emit(TimelineWritten{File: file, Ranks: len(ranks)})
	return nil
}
