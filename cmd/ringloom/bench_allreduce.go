package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"ringloom/allreduce"
	"ringloom/bench/collective"
	"ringloom/cluster"
	"ringloom/internal/sysinfo"
	"ringloom/run"
)

// benchAllReduceFlags is the command line of `ringloom bench allreduce`.
type benchAllReduceFlags struct {
	collective.Config
	clusterFlags
	ringFlags

	nproc              int
	op, transport      string
	minBytes, maxBytes byteSize
	json, csv          bool
}

// The values of --transport.
const (
	transportNATS   = "nats"
	transportMemory = "memory"
)

func benchAllReduceCommand() *cobra.Command {
	f := benchAllReduceFlags{Config: collective.Default()}
	cmd := &cobra.Command{
		Use:   "allreduce [-n N | --expect N --join ...] [flags]",
		Short: "Measure the ring's collectives over a sweep of sizes, and check every sum",
		Long: `Measure the ring's collectives over a sweep of sizes, as nccl-tests' all_reduce_perf does, and check the results.

With -n, N processes on this machine, each with a NATS server of its own as in training; with --expect, this process
is one rank of a cluster, as in 'ringloom train', and rank 0 prints; with --transport memory, N ranks in this process,
which shows what the ring costs without NATS and sockets.

The time of an iteration is that of the slowest rank; the table has the median and the minimum. Out of place, the
input is kept and its copy into the result is part of the time. Algorithm bandwidth (algbw) is the size over the
median, bus bandwidth (busbw) what each link carries of it: algbw*2(n-1)/n for an all-reduce, algbw*(n-1)/n for a
reduce-scatter and an all-gather, algbw for a broadcast. #wrong counts the elements, over all ranks, that are not exactly what they must be
(with --wire int8: that are off by more than its roundings can add up to); if there is one, the exit code is 1.

Sizes may have a unit: KiB, MiB, GiB (of 1024; K, M, G are the same) or KB, MB, GB (of 1000).

With --json, one object a line for each size; with --csv the same as a header line and a line for each size:
  op, ranks, hosts, transport, path (how frames travel from rank 0, and whether sealed), wire, chunk_bytes, window_bytes, rings,
  machine (processor of rank 0), version
  bytes, count              size and number of elements: of a rank's buffer; with all-gather-bytes of all blocks together
  type, redop               of the elements, and how they are combined
  out_of_place_iterations   that were timed; out_of_place_seconds the median of the slowest rank's times,
                            out_of_place_min_seconds their minimum
  out_of_place_algbw_bytes_per_second, out_of_place_busbw_bytes_per_second   of the median
  out_of_place_wrong        wrong elements over all ranks
  in_place_iterations, in_place_seconds, in_place_min_seconds, in_place_algbw_bytes_per_second,
  in_place_busbw_bytes_per_second, in_place_wrong   the same in place; null where the collective has no such form
and with --json a last object with the first line's fields and
  sizes                     that were measured
  average_busbw_bytes_per_second   mean over all sizes, out of place and in place
  wrong                     over all sizes

` + secretsHelp,
		Example: `  ringloom bench allreduce -n 4
  ringloom bench allreduce -n 2 --min-bytes 25MB --max-bytes 100MB --factor 4 --json

  # two machines
  ringloom bench allreduce --expect 2 --bind 0.0.0.0:7946
  ringloom bench allreduce --expect 2 --bind 0.0.0.0:7946 --join first-machine:7946`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			launch, err := launches(cmd.Flags())
			if err == nil {
				err = f.check(launch, cmd.Flags())
			}
			if err != nil {
				return usageError{err}
			}
			switch {
			case f.transport == transportMemory:
				return f.inMemory(cmd.Context(), cmd.OutOrStdout())
			case launch:
				c, err := launchConfig(f.nproc, cmd.OutOrStdout(), cmd.ErrOrStderr(),
					append(rankArguments(f.nproc, "bench", "allreduce"), given(cmd.Flags(), "nproc")...))
				if err != nil {
					return err
				}
				c.Quiet = true
				_, err = startRanks(cmd.Context(), c)
				return err
			}
			return f.rank(cmd.Context(), cmd.OutOrStdout())
		},
	}
	fl := cmd.Flags()
	fl.SortFlags = false
	fl.IntVarP(&f.nproc, "nproc", "n", 2, "number of ranks on this machine")
	fl.StringVar(&f.op, "op", string(f.Op), "collective: all-reduce, reduce-scatter, all-gather, all-gather-bytes, broadcast or barrier")
	fl.StringVar(&f.transport, "transport", transportNATS, "nats, or memory: all ranks in this process")
	f.minBytes, f.maxBytes = byteSize(f.MinBytes), byteSize(f.MaxBytes)
	fl.Var(&f.minBytes, "min-bytes", "first size")
	fl.Var(&f.maxBytes, "max-bytes", "last size, if the factor meets it")
	fl.IntVar(&f.Factor, "factor", f.Factor, "each size over the one before")
	fl.IntVar(&f.WarmUp, "warmup", f.WarmUp, "iterations before those that count")
	fl.IntVar(&f.Iterations, "iters", f.Iterations, "iterations of each size, out of place and in place each")
	fl.DurationVar(&f.Duration, "duration", f.Duration, "take fewer iterations where a size would need longer than this (0: never)")
	f.ringFlags.register(fl)
	f.ringFlags.registerWire(fl)
	fl.BoolVar(&f.json, "json", false, "print one JSON object a line")
	fl.BoolVar(&f.csv, "csv", false, "print comma-separated values")
	f.clusterFlags.register(fl)
	fl.Lookup("expect").Usage = expectOptional
	return cmd
}

func (f *benchAllReduceFlags) check(launch bool, fl *pflag.FlagSet) error {
	f.MinBytes, f.MaxBytes = int64(f.minBytes), int64(f.maxBytes)
	f.Op = collective.Op(f.op)
	ranks := f.nproc
	if !launch {
		ranks = f.expect
		if err := f.clusterFlags.check(); err != nil {
			return err
		}
	}
	switch {
	case f.json && f.csv:
		return errors.New("--json and --csv exclude each other: choose one")
	case f.transport != transportNATS && f.transport != transportMemory:
		return fmt.Errorf("--transport %q: choose %s or %s", f.transport, transportNATS, transportMemory)
	case f.transport == transportMemory && !launch:
		return errors.New("--transport memory has all ranks in one process: give -n instead of --expect")
	case launch && ranks < 2:
		return fmt.Errorf("-n %d: a collective needs at least 2 ranks", ranks)
	case ranks < 2:
		return fmt.Errorf("--expect %d: a collective needs at least 2 ranks", ranks)
	}
	here := 1
	if launch {
		here = ranks
		if err := checkRanksHere("-n", ranks, f.transport == transportNATS); err != nil {
			return fmt.Errorf("%w; -n is the number of ranks, as -np of mpirun: for iterations, which are nccl-tests' -n, give --iters", err)
		}
	}
	if need, there := 2*f.MaxBytes*int64(here), sysinfo.AvailableMemory(); there > 0 && f.Op != collective.Barrier && need > there {
		return fmt.Errorf("--max-bytes %d: two buffers for each of the %d ranks here are %d bytes, and %d are free: give less", f.MaxBytes, here, need, there)
	}
	if f.transport == transportMemory {
		for _, name := range []string{"nats", "nats-file", "nats-token-file", "insecure", "shared-memory", "log", "debug"} {
			if fl.Changed(name) {
				return fmt.Errorf("--%s has no effect with --transport memory: leave it out", name)
			}
		}
	}
	if err := f.ringFlags.check(f.ringDeadline); err != nil {
		return err
	}
	if !f.Op.Sums() && f.format.Lossy() {
		return fmt.Errorf("--wire %s has no effect with --op %s, which moves values as they are: leave it out", f.wire, f.op)
	}
	f.Numbers = collective.NumbersOf(f.format)
	return f.Config.Validate(ranks)
}

func (f *benchAllReduceFlags) printer(out io.Writer) collective.Printer {
	switch {
	case f.json:
		return collective.NewJSON(out)
	case f.csv:
		return collective.NewCSV(out)
	}
	return collective.NewText(out)
}

// setting describes the sweep.
func (f *benchAllReduceFlags) setting(group *allreduce.Group, hosts int) collective.Setting {
	return collective.Setting{
		Op: f.Op, Ranks: group.WorldSize(), Hosts: hosts, Transport: f.transport, Path: group.Describe(), Wire: f.wire,
		ChunkBytes: int(f.chunkBytes), WindowBytes: int(f.windowBytes), Rings: f.rings, Machine: sysinfo.Processor(), Version: version,
	}
}

// sweep measures as one rank, and prints if this one leads.
func (f *benchAllReduceFlags) sweep(ctx context.Context, group *allreduce.Group, leads bool, hosts int, out io.Writer) (collective.Summary, error) {
	ring := collective.Wired{Group: group, Format: f.format}
	if !leads {
		return collective.Run(ctx, ring, f.Config, nil)
	}
	p := f.printer(out)
	if err := p.Begin(f.setting(group, hosts), f.Config); err != nil {
		return collective.Summary{}, err
	}
	sum, err := collective.Run(ctx, ring, f.Config, p.Row)
	if err != nil {
		return sum, err
	}
	return sum, p.End(sum)
}

// wrongValues is an error where a value was wrong: every rank knows.
func wrongValues(op collective.Op, s collective.Summary) error {
	if s.WrongValues == 0 {
		return nil
	}
	return fmt.Errorf("%s: %d values are wrong, see the column #wrong", op, s.WrongValues)
}

// inMemory has all ranks in this process.
func (f *benchAllReduceFlags) inMemory(ctx context.Context, out io.Writer) error {
	cfg := f.ringFlags.config(f.ringDeadline).Group()
	cfg.Job, cfg.View, cfg.WorldSize = "bench", 1, f.nproc
	var sum collective.Summary
	err := inMemory(ctx, cfg, func(ctx context.Context, ring *allreduce.Group) error {
		s, err := f.sweep(ctx, ring, ring.Rank() == 0, 1, out)
		if ring.Rank() == 0 {
			sum = s
		}
		return err
	})
	if err != nil {
		return err
	}
	return wrongValues(f.Op, sum)
}

// rank is one process of a cluster.
func (f *benchAllReduceFlags) rank(ctx context.Context, out io.Writer) error {
	log := f.newEventLog()
	member := f.member(log.Logger)
	ringConfig := f.ringFlags.config(f.ringDeadline)
	m := run.NewMember(member, log.take)
	if err := m.Probe(ctx, ringConfig); err != nil {
		return err
	}
	var sum collective.Summary
	i := run.Introduction{Purpose: "the benchmark", Device: "none", Digest: f.digest(member, ringConfig)}
	err := m.Do(ctx, i, func(ctx context.Context, s *run.Session) (err error) {
		ring, err := s.OpenRing(ctx, ringConfig, 0)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, ring.Close()) }()
		if sum, err = f.sweep(ctx, ring, s.View.Leads(), hosts(s.View), out); err != nil {
			return err
		}
		return s.Finish(ctx)
	})
	if err != nil {
		return err
	}
	return wrongValues(f.Op, sum)
}

// hosts counts the machines of a view by their addresses.
func hosts(v cluster.View) int {
	seen := map[string]bool{}
	for _, m := range v.Members {
		host, _, err := net.SplitHostPort(m.Addr)
		if err != nil {
			host = m.Addr
		}
		seen[host] = true
	}
	return len(seen)
}

// digest is what all ranks must agree on.
func (f *benchAllReduceFlags) digest(member run.MemberConfig, ring run.RingConfig) cluster.Digest {
	d := cluster.Digest{
		field("version", version), field("command", "bench allreduce"), field("NATS", member.NATSKind()),
		field("op", f.op), field("wire", f.wire), field("min bytes", f.minBytes.String()), field("max bytes", f.maxBytes.String()), field("factor", fmt.Sprint(f.Factor)),
		field("warm-up", fmt.Sprint(f.WarmUp)), field("iterations", fmt.Sprint(f.Iterations)), field("duration", f.Duration.String()),
	}
	return append(d, ring.Digest()...)
}
