package natsring

import (
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"ringloom/allreduce"
)

// The errors of Join.
var (
	ErrConfig       = errors.New("invalid NATS ring configuration")
	ErrConnect      = errors.New("cannot connect to a NATS server")
	ErrUnauthorized = errors.New("NATS credentials refused")
	ErrMaxPayload   = errors.New("NATS server takes smaller messages than the ring sends")
	ErrJoin         = errors.New("ring neighbours did not answer")
)

// Config describes one rank's connections for one view. Either Server and Addrs, or URL.
type Config struct {
	Ring allreduce.Config
	// Server is this node's embedded server.
	Server *Server
	// Addrs are the addresses (host:port) of all ranks' embedded servers, by rank.
	Addrs []string
	// URL is an external NATS server (nats://host:port, several with commas) that carries everything instead.
	URL string
	// Token is presented to URL, beside what that itself may name. Empty means none.
	Token string
	// Key is the job's key, which embedded servers ask for. Empty means that they let anybody in.
	Key []byte
	// Secret gives what this rank and a neighbour share, at least 16 bytes that nobody else knows. Greetings, and the
	// frames that do not stay in shared memory, are sealed with keys that are derived from it: AES-256-GCM. Nil: they
	// travel in clear text, with a CRC against accidents.
	Secret func(rank int) ([]byte, error)
	// SharedMemory lets frames between ranks of one machine lie in shared memory. Ranks are taken to be on one machine
	// where the two ends of their connection have the same address. Default true.
	SharedMemory bool
	// JoinTimeout bounds Join: all neighbours must have connected by then. Default 30 s.
	JoinTimeout time.Duration
	// PingInterval is how often each connection is probed while silent; after two unanswered probes the link is lost.
	// It finds a host that vanished without a word. Default 5 s.
	PingInterval time.Duration
	// CloseTimeout is how long Close waits at most for the neighbours to have what was sent. Default 1 s.
	CloseTimeout time.Duration

	ring int // which of Ring.Rings; each has subjects of its own
}

// DefaultConfig returns the defaults for ring.
func DefaultConfig(ring allreduce.Config) Config {
	return Config{Ring: ring, SharedMemory: true, JoinTimeout: 30 * time.Second, PingInterval: 5 * time.Second, CloseTimeout: time.Second}
}

// Validate says what is wrong with the configuration. It matches ErrConfig or allreduce.ErrConfig.
func (c Config) Validate() error {
	if err := c.Ring.Validate(); err != nil {
		return err
	}
	switch {
	case c.Ring.WorldSize < 2:
		return fmt.Errorf("%w: a ring of %d needs no transport", ErrConfig, c.Ring.WorldSize)
	case (c.URL == "") == (c.Server == nil):
		return fmt.Errorf("%w: set either URL or Server", ErrConfig)
	case c.Server != nil && len(c.Addrs) != c.Ring.WorldSize:
		return fmt.Errorf("%w: %d addresses for %d ranks", ErrConfig, len(c.Addrs), c.Ring.WorldSize)
	case c.Ring.ChunkBytes > MaxChunkBytes:
		return fmt.Errorf("%w: ChunkBytes %d must be at most %d", ErrConfig, c.Ring.ChunkBytes, MaxChunkBytes)
	case c.JoinTimeout <= 0:
		return fmt.Errorf("%w: JoinTimeout %v must be above zero", ErrConfig, c.JoinTimeout)
	case c.CloseTimeout <= 0:
		return fmt.Errorf("%w: CloseTimeout %v must be above zero", ErrConfig, c.CloseTimeout)
	case c.PingInterval <= 0:
		return fmt.Errorf("%w: PingInterval %v must be above zero", ErrConfig, c.PingInterval)
	}
	if c.URL != "" {
		return checkURL(c.URL)
	}
	return nil
}

// MaxChunkBytes is the largest chunk that NATS takes as one message, sealed.
const MaxChunkBytes = server.MAX_PAYLOAD_MAX_SIZE - allreduce.HeaderBytes - SealBytes

// messageBytes is the size of the largest message with a frame.
func (c Config) messageBytes() int {
	if c.Secret == nil {
		return c.Ring.FrameBytes()
	}
	return c.Ring.FrameBytes() + SealBytes
}

// bufferBytes has room for a frame or a greeting, sealed or not.
func (c Config) bufferBytes() int { return c.Ring.FrameBytes() + max(SealBytes, greetingSealBytes) }

// shape is that of the memory for frames to a neighbour: data and goodbyes go to the next rank, credits and goodbyes to
// the previous one. The ring never has more of them in flight.
func (c Config) shape(to allreduce.Peer) shape {
	s := shape{Slots: c.Ring.WindowFrames() + 4, FrameBytes: c.Ring.FrameBytes()}
	if to == allreduce.Prev {
		s.FrameBytes = c.Ring.ControlFrameBytes()
	}
	return s
}

// subject is where rank receives what comes from one of its neighbours.
func (c Config) subject(rank int, from allreduce.Peer) string {
	side := "prev"
	if from == allreduce.Next {
		side = "next"
	}
	return fmt.Sprintf("ringloom.%s.%d.%d.%d.%s", c.Ring.Job, c.Ring.View, c.ring, rank, side)
}

func (c Config) rankOf(p allreduce.Peer) int {
	if p == allreduce.Prev {
		return c.Ring.Prev()
	}
	return c.Ring.Next()
}
