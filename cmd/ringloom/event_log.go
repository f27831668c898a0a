package main

import (
	"fmt"
	"io"
	"time"

	"go.uber.org/zap"

	"ringloom/report"
	"ringloom/run"
)

// eventLog writes what a run says to the log: for people or as JSON lines to standard error and, while the run has a directory, to this
// rank's file in it.
type eventLog struct {
	out          io.Writer
	human, debug bool
	leads        bool
	*zap.Logger  // to out, and to the file while there is one
}

// newEventLog logs as the flags and the launcher say.
func (f *clusterFlags) newEventLog() *eventLog {
	standardOutput.bePatient(false) // the other ranks would wait for whoever reads it
	l := &eventLog{out: standardError, debug: f.debug}
	l.human = f.log == "human" || f.log == "auto" && (isTerminal(standardError) || launched.Terminal)
	l.Logger = report.NewLogger(l.out, l.human, f.debug, nil)
	if launched.Quiet && !f.debug {
		l.Logger = l.WithOptions(zap.IncreaseLevel(zap.WarnLevel))
	}
	return l
}

// logTo adds a file to standard error; nil takes it away.
func (l *eventLog) logTo(file io.Writer) { l.Logger = report.NewLogger(l.out, l.human, l.debug, file) }

// take is a run.Sink.
func (l *eventLog) take(event run.Event) {
	switch e := event.(type) {
	case run.Warning:
		l.Warn(e.Text)
	case run.Busy:
		l.Info("still busy", zap.String("with", e.With))
	case run.StateAbsent:
		l.Info("no state to resume from here; the leader's is taken", zap.String("file", e.File))
	case run.SettingsChanged:
		l.Warn("the run goes on with other settings than it had", zap.Strings("had", e.Had))
	case run.KernelsTried:
		l.kernelsTried(e)
	case run.Looking:
		l.looking(e)
	case run.Waiting:
		l.waiting(e)
	case run.Joined:
		l.leads = e.View.Leads()
		if err := launched.Formed(); err != nil {
			l.Debug("telling the launcher", zap.Error(err))
		}
	case run.Recording:
		l.logTo(e.Log)
	case run.RecordClosed:
		l.logTo(nil)
	case run.Tuned:
		l.tuned(e)
	case run.Resuming:
		l.Info("resuming", zap.String("file", e.File), zap.Int("step", e.Step), zap.Int("epoch", e.Epoch), zap.Int("ranks_before", e.WorldSize))
	case run.Training:
		l.Info("training", zap.Int("rank", e.View.Rank), zap.Int("world_size", e.View.WorldSize()), zap.Uint64("view", e.View.Generation),
			zap.String("model", e.Config.Model), zap.Int("global_batch", e.Config.GlobalBatch), zap.String("run_dir", e.RunDir))
	case run.Checkpoint:
		l.Debug("kept the run's state", zap.String("file", e.File), zap.Int("step", e.Step), zap.Duration("took", e.Took))
	case run.ClockMeasured:
		l.Debug("this rank's clock", zap.Duration("behind_rank_0", e.Behind), zap.Duration("uncertainty", e.Uncertainty))
	case run.Finished:
		l.Info("finished", zap.Int("rank", e.Rank), zap.Int("steps", e.Steps), zap.String("parameters_sha256", e.ParametersSHA256))
	case run.Diagnostic:
		l.diagnostic(e)
	case run.Stopped:
		l.Debug("this rank stopped", zap.Error(e.Err))
	}
}

func (l *eventLog) kernelsTried(e run.KernelsTried) {
	where := zap.String("remembered", e.File)
	if e.File == "" {
		where = zap.String("not_remembered", "there is no cache folder that this user may write: the next run tries again, and its last bits may differ; $XDG_CACHE_HOME names one")
	}
	l.Info("tried how to compute fastest here", zap.Int("operations", e.Operations), zap.Duration("took", e.Took.Round(time.Millisecond)), where)
}

func (l *eventLog) looking(e run.Looking) {
	fields := []zap.Field{zap.String("address", e.Address), zap.Int("expected", e.Expected)}
	if e.Device != "" {
		fields = append(fields, zap.String("device", e.Device), zap.String("data", e.Data))
	}
	l.Info("looking for the other nodes", fields...)
}

func (l *eventLog) waiting(s run.Waiting) {
	names := make([]string, len(s.Joined))
	for i, m := range s.Joined {
		names[i] = fmt.Sprintf("%s (%s)", m.Name, m.Addr)
	}
	fields := []zap.Field{zap.Int("joined", len(s.Joined)), zap.Int("missing", s.Missing), zap.Strings("nodes", names),
		zap.Duration("left", s.Left.Round(time.Second))}
	for _, r := range s.Refusals {
		fields = append(fields, zap.Stringer("refused", r))
	}
	for _, u := range s.Unreachable {
		fields = append(fields, zap.String("unreachable", u.Addr), zap.Error(u.Err))
	}
	for _, u := range s.Unreached {
		fields = append(fields, zap.Stringer("cannot_reach", u), zap.Error(u.Err))
	}
	l.Info("waiting for nodes", fields...)
}

// tuned names the flags that pin the choice. All ranks have it; the leader says it.
func (l *eventLog) tuned(e run.Tuned) {
	log := l.Debug
	if l.leads {
		log = l.Info
	}
	log("tuned the ring; these flags pin the choice",
		zap.String("flags", fmt.Sprintf("--chunk-bytes %d --window-bytes %d --rings %d --bucket-bytes %d", e.ChunkBytes, e.WindowBytes, e.Rings, e.BucketBytes)),
		zap.String("sums", fmt.Sprintf("%.3g ms, %.3g ms before", 1e3*e.After, 1e3*e.Before)), zap.Int("rings_tried", e.RingsTried),
		zap.Any("bucket_trials", e.BucketTrials))
}

func (l *eventLog) diagnostic(e run.Diagnostic) {
	if e.Err != nil {
		l.Debug(e.Source, zap.Error(e.Err))
		return
	}
	l.Debug(e.Source, zap.String("says", e.Text))
}
