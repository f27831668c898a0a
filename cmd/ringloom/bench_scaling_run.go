package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"runtime"

	"github.com/spf13/cobra"
	"go.uber.org/zap"

	"ringloom/bench/emulate"
	"ringloom/bench/scaling"
	"ringloom/bench/scaling/measure"
	"ringloom/cluster"
	"ringloom/data"
	"ringloom/internal/sysinfo"
	"ringloom/launch"
	"ringloom/nn/op"
	"ringloom/report"
	"ringloom/run"
)

// launch measures every number of ranks in processes of its own, round by round.
func (f *benchScalingFlags) launch(cmd *cobra.Command) error {
	var all measure.Collection
	say := progressLines(cmd.ErrOrStderr())
	if d := f.estimate(); d > 0 {
		say("measuring for %v, and the time to start processes", d)
	}
	for round := 1; round <= f.rounds; round++ {
		for _, n := range f.ranks {
			say("round %d of %d: %d ranks", round, f.rounds, n)
			study, err := f.launchRanks(cmd, n)
			if err != nil {
				return err
			}
			all.Add(round, study)
		}
	}
	return f.show(cmd.OutOrStdout(), &all)
}

// progressLines prints lines on a terminal, and nothing elsewhere.
func progressLines(out io.Writer) func(format string, args ...any) {
	if !isTerminal(out) {
		return func(string, ...any) {}
	}
	return func(format string, args ...any) { fmt.Fprintf(out, format+"\n", args...) }
}

// launchRanks starts n ranks on this machine; rank 0 hands over what they have measured.
func (f *benchScalingFlags) launchRanks(cmd *cobra.Command, n int) (study scaling.Study, err error) {
	cores, err := launch.Cores(f.bindTo, n, f.computing())
	if err != nil {
		return study, usageError{fmt.Errorf("--bind-to %w", err)}
	}
	c, err := launchConfig(n, cmd.OutOrStdout(), cmd.ErrOrStderr(),
		append(rankArguments(n, "bench", "scaling", "--rounds", "1"), given(cmd.Flags(), "ranks", "rounds", "json", "html", "bind-to")...))
	if err != nil {
		return study, err
	}
	c.Cores, c.Quiet, c.Result, c.ExactTimers = cores, true, true, f.emulation.Step > 0
	outcome, err := startRanks(cmd.Context(), c)
	if err != nil {
		return study, err
	}
	if err := json.Unmarshal(outcome.Result, &study); err != nil {
		return study, fmt.Errorf("what the %d ranks have measured cannot be read: %w", n, err)
	}
	study.Cores = sysinfo.Cores() // a bound rank sees its own alone
	return study, nil
}

// show prints the report.
func (f *benchScalingFlags) show(out io.Writer, all *measure.Collection) error {
	analysis, err := scaling.Analyse(all.Study(f.batches))
	if err != nil {
		return err
	}
	if f.html != "" {
		if err := report.WriteFileAtomic(f.html, func(w io.Writer) error { return scaling.WriteHTML(w, analysis) }); err != nil {
			return fmt.Errorf("writing the report %s: %w", f.html, err)
		}
	}
	if f.json {
		return errors.Join(scaling.WriteJSON(out, analysis), all.WriteJSON(out))
	}
	return errors.Join(scaling.WriteText(out, analysis), all.WriteText(out))
}

// scalingRank is one rank of a measurement.
type scalingRank struct {
	*benchScalingFlags
	*run.Session
	log    *eventLog
	ring   run.RingConfig
	images *data.Dataset
}

// rank is one process: of a cluster, or of launchRanks. It opens what can fail by itself before it joins.
func (f *benchScalingFlags) rank(ctx context.Context, out io.Writer) error {
	r := &scalingRank{benchScalingFlags: f, log: f.newEventLog(), ring: f.ringFlags.config(f.ringDeadline)}
	member := f.member(r.log.Logger)
	m := run.NewMember(member, r.log.take)
	if err := m.Probe(ctx, r.ring); err != nil {
		return err
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	f.GlobalBatches = f.batches.Global(f.expect)
	device, note, err := r.open(ctx)
	if err != nil {
		return err
	}
	f.threads = run.BusyThreads(device, f.deviceFlags.config().ComputeThreads())
	device.Close()
	if note != "" {
		r.log.Warn(note)
	}
	kind := "random pixels"
	if f.emulation.Step > 0 {
		kind = "none"
	} else if r.images, err = benchImages(ctx, f.dataDir); err != nil {
		return err
	} else if r.images != nil {
		kind = "Fashion-MNIST"
	}
	var all measure.Collection
	err = m.Do(ctx, run.Introduction{
		Purpose: "the benchmark", Device: device.Name(), Hardware: run.Hardware(device), Digest: f.digest(kind, member, r.ring),
		AboutDevice: device.Description(), AboutData: kind,
	}, func(ctx context.Context, s *run.Session) error {
		r.Session = s
		return r.work(ctx, &all)
	})
	if err != nil || !r.View.Leads() {
		return err
	}
	study, err := json.Marshal(all.Study(f.batches))
	if err != nil {
		return err
	}
	if launched.WantsResult() {
		return launched.HandOver(study)
	}
	return f.show(out, &all)
}

// open opens the device with the fastest kernels for the batches to come.
func (r *scalingRank) open(ctx context.Context) (device op.Device, note string, err error) {
	f := r.benchScalingFlags
	if f.emulation.Step > 0 {
		device, err = emulate.New(emulate.Config{Step: f.emulation.Step, Model: f.Model, Batch: f.batch})
		return device, "", err
	}
	on := f.deviceFlags.config()
	if device, note, err = run.OpenDevice(on); err != nil {
		return nil, "", err
	}
	for _, batch := range f.GlobalBatches {
		if _, err := on.Kernels.Tune(ctx, device, f.Model, (batch+f.expect-1)/f.expect, true); err != nil {
			device.Close()
			return nil, "", err
		}
	}
	return device, note, nil
}

// computing is the number of threads that a rank keeps busy; emulated ranks wait instead.
func (f *benchScalingFlags) computing() int {
	if f.emulation.Step > 0 {
		return 0
	}
	return f.deviceFlags.config().ComputeThreads()
}

// work measures in all rounds.
func (r *scalingRank) work(ctx context.Context, all *measure.Collection) (err error) {
	ring, err := r.OpenRing(ctx, r.ring, r.computing())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, ring.Close()) }()
	for round := 1; round <= r.rounds; round++ {
		study, err := measure.Measure(ctx, r.Config, measure.Rank{
			Ring: ring, Threads: r.threads, OnStep: r.Stepped, Node: r.View.Members[r.View.Rank].Name, Images: r.images,
			Open: func() (op.Device, error) {
				device, _, err := r.open(ctx)
				return device, err
			},
			Progress: func(what string) { r.log.Info("measuring", zap.Int("round", round), zap.String("what", what)) },
		})
		if err != nil {
			return run.Agreed(err, r.View.Rank)
		}
		study.Machine, study.Version, study.Cores, study.Hosts = sysinfo.Processor(), version, sysinfo.Cores(), hosts(r.View)
		study.Transport, study.Wire = ring.Describe(), r.wire
		study.Emulated, study.EmulatedStepSeconds = r.emulation.Step > 0, r.emulation.Step.Seconds()
		all.Add(round, study)
	}
	return r.Finish(ctx)
}

// digest is what all ranks must agree on.
func (f *benchScalingFlags) digest(images string, member run.MemberConfig, ring run.RingConfig) cluster.Digest {
	d := cluster.Digest{
		field("version", version), field("command", "bench scaling"), field("NATS", member.NATSKind()),
		field("model", f.model), field("mode", f.mode), field("batch", fmt.Sprint(f.batch)), field("global batch", fmt.Sprint(f.globalBatch)),
		field("emulated step", f.emulation.Step.String()), field("data", images), field("warm-up", fmt.Sprint(f.WarmUp)),
		field("steps", fmt.Sprint(f.Steps)), field("duration", f.Duration.String()), field("rounds", fmt.Sprint(f.rounds)),
		field("sizes", fmt.Sprint(f.Collectives)), field("bucket bytes", fmt.Sprint(f.BucketBytes)), field("seed", fmt.Sprint(f.Seed)), field("wire", f.wire),
	}
	return append(d, ring.Digest()...)
}
