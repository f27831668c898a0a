package run

import (
	"context"
	"fmt"
	"net"
	"time"

	"ringloom/allreduce"
	"ringloom/allreduce/natsring"
	"ringloom/cluster"
	"ringloom/internal/sysinfo"
	"ringloom/report"
)

// MaxRings are more than help anywhere; allreduce has the same limit.
const MaxRings = 64

const (
	// AutoSpin is a RingConfig.Spin that is chosen when the ranks know each other: 50 µs where every rank of the machine has a core of
	// its own, else none.
	AutoSpin = time.Duration(-1)
	// MaxSpin is the longest RingConfig.Spin.
	MaxSpin = time.Millisecond
)

// autoSpin is longer than a hop between ranks that are awake, and shorter than what waking one costs.
const autoSpin = 50 * time.Microsecond

// RingConfig says how frames travel round the ring. All of it but Spin and Deadline must agree on all ranks.
type RingConfig struct {
	// ChunkBytes is the payload of one frame, a multiple of 4. Default 256 KiB. Larger ones hide less of the time that a hop takes.
	ChunkBytes int
	// WindowBytes may be under way to the next rank, at least two chunks. Default 4 MiB.
	WindowBytes int
	// Rings is how many rings, each with connections of its own, large vectors are divided among. Default 1.
	Rings int
	// SharedMemory lets data between ranks of one machine lie in memory that both have mapped. Default true.
	SharedMemory bool
	// Spin is how long to look for frames in shared memory before sleeping, at most MaxSpin, or AutoSpin, the default. It saves waking
	// a sleeper, and costs a core meanwhile.
	Spin time.Duration
	// Deadline ends a collective that makes no progress for so long. Default a minute.
	Deadline time.Duration
}

// DefaultRingConfig is a RingConfig with all defaults.
func DefaultRingConfig() RingConfig {
	d := allreduce.DefaultConfig()
	return RingConfig{
		ChunkBytes: d.ChunkBytes, WindowBytes: d.WindowBytes, Rings: d.Rings,
		SharedMemory: natsring.DefaultConfig(d).SharedMemory, Spin: AutoSpin, Deadline: time.Minute,
	}
}

// Validate says in one line what no ring can do, or nil.
func (c RingConfig) Validate() error {
	const most = natsring.MaxChunkBytes
	switch {
	case c.Deadline <= 0:
		return settingError("ring-deadline", " %v: give a positive time, such as 1m", c.Deadline)
	case c.ChunkBytes < 4 || c.ChunkBytes%4 != 0:
		return settingError("chunk-bytes", " %d: give a multiple of 4 bytes", c.ChunkBytes)
	case c.ChunkBytes > most:
		return settingError("chunk-bytes", " %d: a frame is larger than NATS takes (max_payload): give at most %d", c.ChunkBytes, most)
	case c.WindowBytes < 2*c.ChunkBytes:
		return settingError("window-bytes", " %d: give at least two chunks (%d)", c.WindowBytes, 2*c.ChunkBytes)
	case c.WindowBytes > allreduce.MaxWindowBytes || c.WindowBytes/c.ChunkBytes > allreduce.MaxWindowFrames:
		return settingError("window-bytes", " %d: give at most %d, and at most %d chunks of --chunk-bytes %d",
			c.WindowBytes, allreduce.MaxWindowBytes, allreduce.MaxWindowFrames, c.ChunkBytes)
	case c.Rings < 1 || c.Rings > MaxRings:
		return settingError("rings", " %d: give a number from 1 to %d", c.Rings, MaxRings)
	case c.Spin != AutoSpin && (c.Spin < 0 || c.Spin > MaxSpin):
		return settingError("spin", " %v: give auto, or a duration from 0 to %v", c.Spin, MaxSpin)
	}
	return nil
}

// Group is the ring's configuration but for a rank's place in it. An AutoSpin is none.
func (c RingConfig) Group() allreduce.Config {
	g := allreduce.DefaultConfig()
	g.ChunkBytes, g.WindowBytes, g.Rings, g.Deadline = c.ChunkBytes, c.WindowBytes, c.Rings, c.Deadline
	if c.Spin != AutoSpin {
		g.Spin = c.Spin
	}
	return g
}

// Digest is what all ranks must have alike.
func (c RingConfig) Digest() cluster.Digest {
	return cluster.Digest{
		{Name: "wire version", Value: fmt.Sprint(allreduce.WireVersion)},
		{Name: "chunk bytes", Value: report.Bytes(int64(c.ChunkBytes))},
		{Name: "window bytes", Value: report.Bytes(int64(c.WindowBytes))},
		{Name: "rings", Value: fmt.Sprint(c.Rings)},
		{Name: "shared memory", Value: fmt.Sprint(c.SharedMemory)},
	}
}

const (
	// silentPing finds a neighbour of an elastic job that is stopped or cut off within 1.3 to 2 s: two probes without an answer. Its server
	// answers them, so that a long step is no silence.
	silentPing = 650 * time.Millisecond
	// silentClose is how long such a neighbour holds up the end of a ring.
	silentClose = 250 * time.Millisecond
)

// trialShift puts the number of a trial ring above the view's in what tells rings apart.
const trialShift = 48

// OpenRing connects this rank to its neighbours, and gives this process the processors that its part takes. threads is with how many this
// rank computes, 0 where it waits in place of that. The caller closes the ring.
func (s *Session) OpenRing(ctx context.Context, c RingConfig, threads int) (*allreduce.Group, error) {
	s.processors = s.shareProcessors(threads)
	return s.openRingAs(ctx, s.groupConfig(c, threads), c.SharedMemory, 0)
}

// groupConfig is the ring's configuration, with the spin that suits the ranks of this machine.
func (s *Session) groupConfig(c RingConfig, threads int) allreduce.Config {
	g := c.Group()
	if c.Spin == AutoSpin && (s.member.cfg.OwnCores || ranksHere(s.View)*max(threads, 1) <= sysinfo.Cores()) {
		g.Spin = autoSpin
	}
	return g
}

// openRingAs opens a ring of a configuration, whose place in the ring is filled in here. Rings that are open at the same time
// have different trial numbers.
func (s *Session) openRingAs(ctx context.Context, cfg allreduce.Config, sharedMemory bool, trial int) (*allreduce.Group, error) {
	m := s.member
	cfg.Job, cfg.View, cfg.Rank, cfg.WorldSize = m.cfg.Job, s.View.Generation|uint64(trial)<<trialShift, s.View.Rank, s.View.WorldSize()
	cfg.Alone = s.View.WorldSize() == 1
	if cfg.Alone {
		return allreduce.New(cfg)
	}
	join := natsring.DefaultConfig(cfg)
	join.Server, join.URL, join.Token, join.SharedMemory = m.server, m.cfg.NATSURL, m.cfg.NATSToken, sharedMemory
	join.Key = m.secrets.servers()
	if m.cfg.Elastic.On {
		join.PingInterval, join.CloseTimeout = silentPing, silentClose
	}
	m.secrets.seal(&join, m.node)
	if m.cfg.NATSURL == "" {
		for _, node := range s.View.Members {
			host, _, err := net.SplitHostPort(node.Addr)
			if err != nil {
				return nil, fmt.Errorf("the address %q of %s: %w", node.Addr, node.Name, err)
			}
			join.Addrs = append(join.Addrs, net.JoinHostPort(host, node.NATSAddr))
		}
	}
	var group *allreduce.Group
	err := s.joinRing(ctx, join, func(ctx context.Context, join natsring.Config) (err error) {
		group, err = natsring.NewGroup(ctx, join)
		return err
	})
	return group, err
}

// ranksHere counts the ranks that have this rank's address.
func ranksHere(v cluster.View) int {
	here, _, _ := net.SplitHostPort(v.Members[v.Rank].Addr)
	n := 0
	for _, m := range v.Members {
		if host, _, _ := net.SplitHostPort(m.Addr); host == here {
			n++
		}
	}
	return n
}
