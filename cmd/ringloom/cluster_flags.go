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
	"unicode/utf8"

	"github.com/spf13/pflag"
	"go.uber.org/zap"

	"ringloom/allreduce/natsring"
	"ringloom/cluster"
	"ringloom/run"
)

// Settings that are secret come from the environment or from files, never from the command line, which other users
// of a machine can read.
const (
	envKey   = "RINGLOOM_KEY"
	envNATS  = "RINGLOOM_NATS"
	envToken = "RINGLOOM_NATS_TOKEN"
)

// secretsHelp stands in the help of every command that joins a cluster.
const secretsHelp = `Secrets come from the environment or files: the key of the job from $` + envKey + ` or --key-file. Who has it may
join, and what travels between machines is encrypted with keys that come from it. Nodes that only this
machine reaches need none: the user's nodes here share one that is made on first use. An external NATS
server may ask for a token, from $` + envToken + ` or --nats-token-file; a URL that holds a password
comes from $` + envNATS + ` or --nats-file.`

// clusterFlags are those of every command that joins a cluster.
type clusterFlags struct {
	expect      int
	bind        string
	advertise   string
	join        []string
	joinTimeout time.Duration
	job, name   string
	keyFile     string
	insecure    bool

	elastic run.ElasticConfig

	natsURL, natsFile, natsBind, tokenFile string
	natsShown                              bool // --nats has a password or token, on the command line
	ringDeadline                           time.Duration

	key, token string // after check

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
	fl.StringVar(&f.keyFile, "key-file", "", "file with the key of the job, which all nodes share (default: $"+envKey+", else on 127.0.0.1 one that this user's nodes share)")
	fl.BoolVar(&f.insecure, "insecure", false, "do without a key: anybody who reaches the ports can join, and everything travels in clear text")

	fl.StringVar(&f.natsURL, "nats", "", "use this NATS server or cluster instead of one embedded server a node (nats://host:port)")
	fl.StringVar(&f.natsFile, "nats-file", "", "file with the URL of --nats, where that holds a password (default: $"+envNATS+")")
	fl.StringVar(&f.natsBind, "nats-bind", "", "address and port of the embedded NATS server (default: the host of --bind, a free port)")
	fl.StringVar(&f.tokenFile, "nats-token-file", "", "file with the token that the external NATS server demands (default: $"+envToken+")")
	fl.DurationVar(&f.ringDeadline, "ring-deadline", time.Minute, "end the run when a collective makes no progress for so long, though all ranks live; a rank that is stopped or cut off ends it after about 5s, whatever this says")

	fl.StringVar(&f.log, "log", "auto", "log format: human, json, or auto (human on a terminal)")
	fl.BoolVar(&f.debug, "debug", false, "log more")
}

// registerElastic is for the commands whose work outlives a rank.
func (f *clusterFlags) registerElastic(fl *pflag.FlagSet) {
	fl.BoolVar(&f.elastic.On, "elastic", false, "outlive ranks: when one dies, freezes or leaves, the others go on with the step under way; nodes may join at any time")
	fl.IntVar(&f.elastic.MinRanks, "min-ranks", 0, "with --elastic: wait for more with fewer ranks than this (0: go on with one)")
	fl.IntVar(&f.elastic.MaxRanks, "max-ranks", 0, "with --elastic: refuse more ranks than this (0: as many as come)")
	fl.DurationVar(&f.elastic.Wait, "elastic-wait", time.Minute, "with --elastic: how long to wait where there are too few ranks, or where the others may go on by themselves")
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
	if err := f.readSecrets(); err != nil {
		return err
	}
	return f.config().Validate()
}

// readSecrets reads what does not stand on the command line.
func (f *clusterFlags) readSecrets() (err error) {
	if f.token, err = f.natsToken(); err != nil {
		return err
	}
	f.natsShown = natsring.Redact(f.natsURL) != f.natsURL
	if f.key, err = secret("--key-file", f.keyFile, envKey); err != nil {
		return err
	}
	switch {
	case f.natsURL != "" && f.natsFile != "":
		return errors.New("--nats and --nats-file exclude each other: both say which server to use")
	case f.natsURL == "":
		f.natsURL, err = secret("--nats-file", f.natsFile, envNATS)
	}
	return err
}

// config is what the flags say.
func (f *clusterFlags) config() run.MemberConfig {
	c := run.DefaultMemberConfig()
	c.WorldSize, c.Bind, c.Advertise, c.Join, c.JoinTimeout = f.expect, f.bind, f.advertise, f.join, f.joinTimeout
	c.Job, c.Name, c.NATSURL, c.NATSBind = f.job, f.name, f.natsURL, f.natsBind
	c.NATSToken, c.Key, c.Insecure = f.token, []byte(f.key), f.insecure
	c.Elastic = f.elastic
	return c
}

// member is what the flags, the launcher and the environment say, once they are checked. log gets the cluster's log.
func (f *clusterFlags) member(log *zap.Logger) run.MemberConfig {
	c := f.config()
	if f.natsShown {
		log.Warn("everybody on this machine can read the password or token in --nats, for ps shows the command line: give it in $" + envNATS + " or with --nats-file")
	}
	c.Birth, c.OwnCores, c.Announce = launched.Birth, launched.Bound, launched.Announce
	c.SetProcessors, c.ClusterLog = setProcessors, log.Named("cluster")
	return c
}

// setProcessors sets how many threads run Go code at the same time, unless the user has.
func setProcessors(n int) {
	if os.Getenv("GOMAXPROCS") == "" {
		runtime.GOMAXPROCS(n)
	}
}

// natsToken is what an external NATS server demands. NATS carries it as text.
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
