package main

import (
	"fmt"
	"net"
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/spf13/pflag"
	"go.uber.org/zap"

	"ringloom/cluster"
	"ringloom/run"
)

// Settings that are secret come from the environment or from files, never from the command line, which other users
// of a machine can read.
const (
	envKey   = "RINGLOOM_KEY"
	envToken = "RINGLOOM_NATS_TOKEN"
)

// secretsHelp stands in the help of every command that joins a cluster.
const secretsHelp = `Secrets come from the environment or files: the gossip key from $` + envKey + ` or --key-file, the token
that the NATS servers demand from $` + envToken + ` or --nats-token-file. Set both wherever other people reach
the network.`

// clusterFlags are those of every command that joins a cluster.
type clusterFlags struct {
	expect      int
	bind        string
	advertise   string
	join        []string
	joinTimeout time.Duration
	job, name   string
	keyFile     string

	natsURL, natsBind, tokenFile string
	ringDeadline                 time.Duration

	log   string
	debug bool
}

func (f *clusterFlags) register(fl *pflag.FlagSet) {
	fl.IntVar(&f.expect, "expect", 0, "number of nodes of the cluster (required)")
	fl.StringVar(&f.bind, "bind", "", "IP address and port to gossip on (default 127.0.0.1:7946, with --join 127.0.0.1:0)")
	fl.StringVar(&f.advertise, "advertise", "", "address at which the others reach this node (default: that of --bind; where it binds all, a private one)")
	fl.StringSliceVar(&f.join, "join", nil, "addresses of nodes to join; a DNS name may stand for several")
	fl.DurationVar(&f.joinTimeout, "join-timeout", time.Minute, "how long the nodes may take to find each other")
	fl.StringVar(&f.job, "job", "ringloom", "name of the job; nodes of other jobs are refused")
	fl.StringVar(&f.name, "name", "", "name of this node in messages (default: host and process number)")
	fl.StringVar(&f.keyFile, "key-file", "", "file with the key that encrypts the gossip (default: $"+envKey+")")

	fl.StringVar(&f.natsURL, "nats", "", "use this NATS server or cluster instead of one embedded server a node (nats://host:port)")
	fl.StringVar(&f.natsBind, "nats-bind", "", "address and port of the embedded NATS server (default: the host of --bind, a free port)")
	fl.StringVar(&f.tokenFile, "nats-token-file", "", "file with the NATS token (default: $"+envToken+")")
	fl.DurationVar(&f.ringDeadline, "ring-deadline", time.Minute, "end the run when a collective makes no progress for so long, though all ranks live; a rank that is stopped or cut off ends it after about 5s, whatever this says")

	fl.StringVar(&f.log, "log", "auto", "log format: human, json, or auto (human on a terminal)")
	fl.BoolVar(&f.debug, "debug", false, "log more")
}

// check refuses what can be refused before anything is opened, and fills in what --bind leaves open.
func (f *clusterFlags) check() error {
	if f.log != "auto" && f.log != "human" && f.log != "json" {
		return fmt.Errorf("--log %q: choose one of auto, human, json", f.log)
	}
	if f.bind == "" {
		f.bind = net.JoinHostPort("127.0.0.1", strconv.Itoa(cluster.DefaultPort))
		if len(f.join) > 0 {
			f.bind = "127.0.0.1:0"
		}
	}
	return f.config().Validate()
}

// config is what the flags say.
func (f *clusterFlags) config() run.MemberConfig {
	c := run.DefaultMemberConfig()
	c.WorldSize, c.Bind, c.Advertise, c.Join, c.JoinTimeout = f.expect, f.bind, f.advertise, f.join, f.joinTimeout
	c.Job, c.Name, c.NATSURL, c.NATSBind = f.job, f.name, f.natsURL, f.natsBind
	return c
}

// member is what the flags, the launcher and the environment say, the secrets among it. log gets the cluster's log.
func (f *clusterFlags) member(log *zap.Logger) (run.MemberConfig, error) {
	c := f.config()
	token, err := f.natsToken()
	if err != nil {
		return c, usageError{err}
	}
	key, err := secret("--key-file", f.keyFile, envKey)
	if err != nil {
		return c, usageError{err}
	}
	c.NATSToken, c.Key = token, []byte(key)
	c.Birth, c.OwnCores, c.Announce = launched.Birth, launched.Bound, launched.Announce
	c.SetProcessors, c.ClusterLog = setProcessors, log.Named("cluster")
	return c, nil
}

// setProcessors sets how many threads run Go code at the same time, unless the user has.
func setProcessors(n int) {
	if os.Getenv("GOMAXPROCS") == "" {
		runtime.GOMAXPROCS(n)
	}
}

// natsToken is what the NATS servers demand. NATS carries it as text.
func (f *clusterFlags) natsToken() (string, error) {
	token, err := secret("--nats-token-file", f.tokenFile, envToken)
	if err == nil && !utf8.ValidString(token) {
		err = fmt.Errorf("--nats-token-file, or $%s: the token is not text, which NATS asks for: make one as with 'openssl rand -hex 32'", envToken)
	}
	return token, err
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

func field(name, value string) cluster.Field { return cluster.Field{Name: name, Value: value} }
