package main

import (
	"fmt"
	"io"

	"ringloom/cluster"
	"ringloom/report"
	"ringloom/run"
	"ringloom/train"
)

// eventTerminal prints what a run says to whoever watches: the leader's results to out, and its progress to log.
type eventTerminal struct {
	out, log io.Writer
	draw     bool // the progress as a bar
	view     cluster.View
	config   train.Config
	progress *report.Progress                     // nil but on the leader
	download func(file string, done, total int64) // made for the first file
}

// take is a run.Sink.
func (t *eventTerminal) take(event run.Event) {
	switch e := event.(type) {
	case run.Downloading:
		if t.download == nil {
			t.download = downloadProgress()
		}
		t.download(e.File, e.Done, e.Total)
	case run.Training:
		t.view, t.config = e.View, e.Config
		if t.view.Leads() {
			t.progress = report.NewProgress(t.log, t.draw)
		}
	case run.ViewBegun:
		t.view = e.View
		switch {
		case !t.view.Leads():
			t.progress = nil
		case t.progress == nil:
			t.progress = report.NewProgress(t.log, t.draw)
		}
	case run.Step:
		if t.progress != nil {
			t.progress.Step(e.Epoch, e.Step.Step, e.Steps, e.Loss)
		}
	case run.Epoch:
		if t.view.Leads() {
			t.epoch(e.Epoch)
		}
	case run.TimelineWritten:
		fmt.Fprintf(t.out, "timeline %s: %d ranks, open it in https://ui.perfetto.dev or chrome://tracing\n", e.File, e.Ranks)
	case run.Finished:
		if t.view.Leads() {
			fmt.Fprintf(t.out, "run %s: final test acc %.3f, best %.3f; parameters sha256 %s\n", e.RunDir, e.TestAccuracy, e.BestAccuracy, e.ParametersSHA256)
		}
	}
}

// epoch prints the course's line and where each rank's time went.
func (t *eventTerminal) epoch(e train.Epoch) {
	rows := make([]report.RankRow, len(e.Ranks))
	for i, r := range e.Ranks {
		m := t.view.Members[i]
		rows[i] = report.RankRow{
			Rank: i, Node: m.Name, Device: m.Device, Images: r.Samples, Data: r.Data, Forward: r.Forward,
			Backward: r.Backward, ExposedComm: r.ExposedComm, Optimizer: r.Optimizer, Eval: r.Evaluation, Total: r.Total,
		}
	}
	fmt.Fprintln(t.out, report.EpochLine(e.Number, e.Loss, e.TrainAccuracy, e.TestAccuracy, e.Seconds))
	if t.config.Schedule != "constant" || t.config.WarmupEpochs > 0 || t.config.ClipNorm > 0 {
		fmt.Fprintln(t.out, report.UpdateLine(e.LearningRate, e.NormMean, e.NormMax))
	}
	fmt.Fprint(t.out, report.Table(rows))
}
