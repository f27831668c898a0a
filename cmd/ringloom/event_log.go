package main

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"go.uber.org/zap"

	"ringloom/cluster"
	"ringloom/report"
	"ringloom/run"
)

// eventLog writes what a run says to the log: for people or as JSON lines to standard error and, while the run has a directory, to this
// rank's file in it.
type eventLog struct {
	out          io.Writer
	human, debug bool
	leads        bool
	formed       bool // the launcher was told
	*zap.Logger       // to out, and to the file while there is one
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
		if !l.formed { // a rank may come back
			l.formed = true
			if err := launched.Formed(); err != nil {
				l.Debug("telling the launcher", zap.Error(err))
			}
		}
	case run.ViewEnded:
		l.Debug("the view has ended", zap.Uint64("view", e.View.Generation), zap.Error(e.Cause))
	case run.ViewBegun:
		l.leads = e.View.Leads()
		l.Debug("the run goes on in the next view", zap.Uint64("view", e.View.Generation), zap.Int("rank", e.View.Rank),
			zap.Int("world_size", e.View.WorldSize()), zap.Int("step", e.Aligned.Steps))
	case run.Recovered:
		l.recovered(e)
	case run.Evicted:
		l.Warn("the others have gone on without this rank, which comes back as one that joins", zap.Error(e.Err))
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

// recovered says in one line what happened to the cluster, and what it has cost. All ranks have it; the leader says it.
func (l *eventLog) recovered(e run.Recovered) {
	log := l.Debug
	if l.leads {
		log = l.Warn
	}
	var what []string
	for _, d := range e.View.Dead {
		what = append(what, fmt.Sprintf("rank %d (%s) %s", d.Rank, d.Member.Name, lossWords[d.Kind]))
	}
	if joined := joinedRanks(e.View); len(joined) > 0 {
		what = append(what, fmt.Sprintf("%s joined as rank %s", plural(len(joined), "node"), strings.Join(joined, ", ")))
	}
	if len(what) == 0 {
		what = []string{"the ring broke and was made anew"}
	}
	ms := func(d time.Duration) string { return fmt.Sprintf("%.0f ms", 1e3*d.Seconds()) }
	log(fmt.Sprintf("%s at step %d; %s on, 0 samples lost, pause %s", strings.Join(what, ", "), e.Aligned.Steps, goOn(e.View.WorldSize()), ms(e.Pause)),
		zap.Uint64("view", e.View.Generation), zap.String("known", ms(e.Known)), zap.String("agreed", ms(e.Agreed-e.Known)),
		zap.String("ring", ms(e.Ring-e.Agreed)), zap.String("state", ms(e.AtOnePlace-e.Ring)), zap.String("state_bytes", report.Bytes(e.Aligned.Bytes)))
}

var lossWords = map[cluster.LossKind]string{
	cluster.LossDied: "died", cluster.LossProven: "died", cluster.LossSilent: "is silent and was left out", cluster.LossLeft: "left",
	cluster.LossEvicted: "was left out",
}

func goOn(ranks int) string {
	if ranks == 1 {
		return "1 rank goes"
	}
	return fmt.Sprintf("%d ranks go", ranks)
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// joinedRanks are those of members that were not in the view before.
func joinedRanks(v cluster.View) (ranks []string) {
	for rank, was := range v.Former {
		if was < 0 {
			ranks = append(ranks, strconv.Itoa(rank))
		}
	}
	return ranks
}

func (l *eventLog) diagnostic(e run.Diagnostic) {
	if e.Err != nil {
		l.Debug(e.Source, zap.Error(e.Err))
		return
	}
	l.Debug(e.Source, zap.String("says", e.Text))
}
