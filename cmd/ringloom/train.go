package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"ringloom/allreduce"
	"ringloom/cluster"
	"ringloom/models"
	"ringloom/nn"
	"ringloom/train"
)

// Settings that are secret come from the environment or from files, never from the command line, which other users
// of a machine can read.
const (
	envKey   = "RINGLOOM_KEY"
	envToken = "RINGLOOM_NATS_TOKEN"
)

// trainFlags is the command line of one node.
type trainFlags struct {
	train.Config
	expect      int
	bind        string
	advertise   string
	join        []string
	joinTimeout time.Duration
	job, name   string
	keyFile     string

	natsURL, natsBind, tokenFile string
	ringDeadline                 time.Duration

	device    string
	threads   int
	kernels   string
	precision string
	dataDir   string
	offline   bool
	init      string
	resume    string
	runDir    string
	trace     traceRequest
	log       string
	debug     bool

	resumed *resumption // nil without --resume
}

func trainCommand() *cobra.Command {
	f := trainFlags{Config: train.DefaultConfig()}
	cmd := &cobra.Command{
		Use:   "train --expect N [flags]",
		Short: "Train as one node of a cluster of N",
		Long: `Train as one node of a cluster. Training begins when N nodes have found each other; each is one rank.

The first node needs no --join; every other joins any node that runs already. All nodes must be given the
same model, seed, batch and so on: a node that differs is refused, with the difference shown. Results go to
standard output of the leader (rank 0, the oldest node), logs to standard error.

Secrets come from the environment or files: the gossip key from $` + envKey + ` or --key-file, the token
that the NATS servers demand from $` + envToken + ` or --nats-token-file. Set both wherever other people reach
the network.`,
		Example: `  # two terminals of one machine
  ringloom train --expect 2
  ringloom train --expect 2 --join 127.0.0.1:7946

  # two machines
  ringloom train --expect 2 --bind 0.0.0.0:7946
  ringloom train --expect 2 --bind 0.0.0.0:7946 --join first-machine:7946`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := f.resumeConfig(cmd.Flags()); err != nil {
				return err
			}
			if err := checkDependent(cmd.Flags(), f.Config); err != nil {
				return usageError{err}
			}
			if err := f.check(); err != nil {
				return usageError{err}
			}
			if err := f.trace.check(cmd.Flags(), f.Config); err != nil {
				return usageError{err}
			}
			return runNode(cmd.Context(), &f, cmd.OutOrStdout())
		},
	}
	fl := cmd.Flags()
	fl.SortFlags = false
	configFlags(fl, &f.Config)
	fl.StringVar(&f.init, "init", "", "start from the parameters of this checkpoint (.safetensors)")
	fl.StringVar(&f.resume, "resume", "", "go on with the run of this run directory or state (*.training.safetensors); other flags that are not given are the run's")

	fl.StringVar(&f.device, "device", "auto", deviceHelp)
	fl.IntVar(&f.threads, "threads", 0, "compute threads (0: all cores)")
	fl.StringVar(&f.kernels, "deterministic-kernels", "", kernelsHelp)
	fl.StringVar(&f.precision, "precision", "float32", precisionHelp)
	fl.StringVar(&f.dataDir, "data", "", "folder of Fashion-MNIST (default: $RINGLOOM_DATA, the cache, Debian's package, else download)")
	fl.BoolVar(&f.offline, "offline", false, "never download the data set")
	fl.StringVar(&f.runDir, "run-dir", "", "folder for the run's record (default: runs/<time>-<model>-n<N>)")
	traceFlags(fl, &f.trace)

	fl.IntVar(&f.expect, "expect", 0, "number of nodes of the cluster (required)")
	fl.StringVar(&f.bind, "bind", "", "IP address and port to gossip on (default 127.0.0.1:7946, with --join 127.0.0.1:0)")
	fl.StringVar(&f.advertise, "advertise", "", "address at which the others reach this node (default: that of --bind)")
	fl.StringSliceVar(&f.join, "join", nil, "addresses of nodes to join; a DNS name may stand for several")
	fl.DurationVar(&f.joinTimeout, "join-timeout", time.Minute, "how long the nodes may take to find each other")
	fl.StringVar(&f.job, "job", "ringloom", "name of the job; nodes of other jobs are refused")
	fl.StringVar(&f.name, "name", "", "name of this node in messages (default: host and process number)")
	fl.StringVar(&f.keyFile, "key-file", "", "file with the key that encrypts the gossip (default: $"+envKey+")")

	fl.StringVar(&f.natsURL, "nats", "", "use this NATS server or cluster instead of one embedded server a node (nats://host:port)")
	fl.StringVar(&f.natsBind, "nats-bind", "", "address and port of the embedded NATS server (default: the host of --bind, a free port)")
	fl.StringVar(&f.tokenFile, "nats-token-file", "", "file with the NATS token (default: $"+envToken+")")
	fl.DurationVar(&f.ringDeadline, "ring-deadline", time.Minute, "end the run when a collective makes no progress for so long")

	fl.StringVar(&f.log, "log", "auto", "log format: human, json, or auto (human on a terminal)")
	fl.BoolVar(&f.debug, "debug", false, "log more")
	return cmd
}

// resumeConfig reads what --resume names, and takes the run's settings where the command line gives none.
func (f *trainFlags) resumeConfig(given *pflag.FlagSet) (err error) {
	switch {
	case f.resume == "":
		return nil
	case f.init != "":
		return usageError{errors.New("--init and --resume exclude each other: a run goes on with its own parameters")}
	}
	if f.resumed, err = openResumption(f.resume); err != nil {
		return err
	}
	if !f.resumed.here() {
		if f.expect == 1 {
			return dataError{fmt.Errorf("--resume %s: no such file: give a run directory that holds %s, or such a file", f.resumed.path, stateFile)}
		}
		return nil
	}
	if err := f.resumed.settle(&f.Config, given); err != nil {
		return usageError{err}
	}
	return nil
}

// check refuses what can be refused before anything is opened.
func (f *trainFlags) check() error {
	if f.expect < 1 {
		return fmt.Errorf("--expect %d: say how many nodes the cluster has, at least 1", f.expect)
	}
	spec, err := models.Lookup(f.Model)
	if err != nil {
		return fmt.Errorf("--model: %w", err)
	}
	if f.SyncBatchNorm {
		info, err := nn.Inspect(spec.InputSide, spec.Build)
		if err != nil {
			return err
		}
		if len(info.State) == 0 {
			return fmt.Errorf("--sync-bn has no effect: %s has no batch norm; leave it out", f.Model)
		}
	}
	if err := f.Config.Validate(f.expect); err != nil {
		return err
	}
	if err := checkKernels(f.kernels); err != nil {
		return err
	}
	if err := checkPrecision(f.precision); err != nil {
		return err
	}
	if f.threads < 0 {
		return fmt.Errorf("--threads %d: give a positive number, or 0 for all cores", f.threads)
	}
	if f.threads == 0 {
		f.threads = runtime.NumCPU()
	}
	if f.joinTimeout <= 0 || f.ringDeadline <= 0 {
		return errors.New("--join-timeout and --ring-deadline must be positive")
	}
	if f.natsURL != "" && f.natsBind != "" {
		return errors.New("--nats and --nats-bind exclude each other: an external server is already bound")
	}
	if f.log != "auto" && f.log != "human" && f.log != "json" {
		return fmt.Errorf("--log %q: choose one of auto, human, json", f.log)
	}
	if f.bind == "" {
		f.bind = net.JoinHostPort("127.0.0.1", strconv.Itoa(cluster.DefaultPort))
		if len(f.join) > 0 {
			f.bind = "127.0.0.1:0"
		}
	}
	if _, _, err := hostPort("--bind", f.bind); err != nil {
		return err
	}
	if f.natsBind != "" {
		if _, _, err := hostPort("--nats-bind", f.natsBind); err != nil {
			return err
		}
	}
	return nil
}

// digest is what all nodes must agree on; the cluster shows the difference to a node that does not.
func (f *trainFlags) digest(dataHash, initHash string) cluster.Digest {
	d := cluster.Digest{
		{Name: "version", Value: version},
		{Name: "model", Value: f.Model},
		{Name: "initial parameters", Value: initHash},
		{Name: "data", Value: dataHash},
		{Name: "wire format", Value: fmt.Sprintf("float32, version %d", allreduce.WireVersion)},
		{Name: "NATS", Value: natsKind(f.natsURL)},
	}
	return append(d, configDigest(f.Config)...)
}

// natsKind tells an external server from embedded ones without showing its address, which may hold a password.
func natsKind(url string) string {
	if url == "" {
		return "embedded"
	}
	return "external"
}

func hostPort(flag, address string) (host string, port int, err error) {
	host, p, err := net.SplitHostPort(address)
	if err == nil {
		port, err = strconv.Atoi(p)
	}
	if err != nil || port < 0 || port > 65535 || net.ParseIP(host) == nil {
		return "", 0, fmt.Errorf("%s %q: give an IP address and a port, such as 0.0.0.0:7946", flag, address)
	}
	return host, port, nil
}

// secret reads a secret from file, else from the environment.
func secret(flag, file, env string) (string, error) {
	if file == "" {
		return os.Getenv(env), nil
	}
	b, err := os.ReadFile(file)
	if err != nil {
		return "", fmt.Errorf("%s: %w", flag, err)
	}
	s := strings.TrimSpace(string(b))
	if s == "" {
		return "", fmt.Errorf("%s: %s is empty", flag, file)
	}
	return s, nil
}
