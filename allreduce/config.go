package allreduce

import (
	"fmt"
	"time"
)

// Config describes one rank's place in the ring. Job, View, WorldSize, Rings, ChunkBytes and WindowBytes must agree on
// all ranks.
type Config struct {
	// Job names the training job. Letters, digits, '-' and '_'. Required.
	Job string
	// View is the generation of the cluster that the ring belongs to. Frames of another view are ignored.
	View uint64
	// Rank is this rank's index, 0 to WorldSize-1.
	Rank int
	// WorldSize is the number of ranks. 1 is refused unless Alone is set. At most 65535.
	WorldSize int
	// Alone says that a ring of one rank is meant: every collective is then a no-op and needs no transport.
	Alone bool
	// Rings is the number of rings, each with connections and a goroutine of its own, that share the work: a vector of
	// at least StripeBytes a ring is cut into as many parts. Default 1. More of them help where one connection or one
	// core cannot fill the network.
	Rings int
	// ChunkBytes is the payload of one frame in bytes, a multiple of 4. Default 256 KiB. Smaller pipelines better over
	// many ranks, larger costs less per message. A frame (ChunkBytes+HeaderBytes) must be under the server's
	// max_payload.
	ChunkBytes int
	// WindowBytes bounds what is sent to the next rank and not yet consumed there, in bytes. Default 4 MiB. At least
	// two chunks, at most MaxWindowBytes and MaxWindowFrames chunks. It is also what a rank may have to hold for a
	// neighbour that is ahead.
	WindowBytes int
	// Spin is how long a ring polls shared memory for frames before it sleeps, while a caller waits for a collective
	// and so does not use its core. Default 0: not at all. At most 1 ms. Spinning cuts a hop to a tenth of its time,
	// because nobody has to be woken; it is for machines that have a core for every rank.
	Spin time.Duration
	// Deadline ends a collective that made no progress for so long. Default 60 s. It must exceed the longest time by
	// which one rank's computation can lag behind another's.
	Deadline time.Duration
	// Linger is how long Close waits for the neighbours' goodbye. Default 5 s. Zero says goodbye and does not wait.
	Linger time.Duration
}

// DefaultConfig returns the defaults; Job, View, Rank and WorldSize are the caller's to fill.
func DefaultConfig() Config {
	return Config{
		Rings:       1,
		ChunkBytes:  256 << 10,
		WindowBytes: 4 << 20,
		Deadline:    60 * time.Second,
		Linger:      5 * time.Second,
	}
}

// Validate says what is wrong with the configuration, in one line that names the field. It matches ErrConfig.
func (c Config) Validate() error {
	switch {
	case !validJob(c.Job):
		return configError("Job %q must be letters, digits, '-' or '_', and not empty", c.Job)
	case c.WorldSize < 1 || c.WorldSize > maxSize:
		return configError("WorldSize %d must be 1 to %d", c.WorldSize, maxSize)
	case c.WorldSize == 1 && !c.Alone:
		return configError("WorldSize 1 trains alone; set Alone if that is meant")
	case c.WorldSize > 1 && c.Alone:
		return configError("Alone is set but WorldSize is %d", c.WorldSize)
	case c.Rank < 0 || c.Rank >= c.WorldSize:
		return configError("Rank %d must be 0 to %d", c.Rank, c.WorldSize-1)
	case c.Rings < 1 || c.Rings > maxRings:
		return configError("Rings %d must be 1 to %d", c.Rings, maxRings)
	case c.ChunkBytes < 4 || c.ChunkBytes%4 != 0 || c.ChunkBytes > maxChunkBytes:
		return configError("ChunkBytes %d must be a multiple of 4 from 4 to %d", c.ChunkBytes, maxChunkBytes)
	case c.WindowBytes < 2*c.ChunkBytes:
		return configError("WindowBytes %d must be at least two chunks (%d)", c.WindowBytes, 2*c.ChunkBytes)
	case c.WindowBytes > MaxWindowBytes || c.WindowFrames() > MaxWindowFrames:
		return configError("WindowBytes %d must be at most %d, and at most %d chunks", c.WindowBytes, MaxWindowBytes, MaxWindowFrames)
	case c.Spin < 0 || c.Spin > maxSpin:
		return configError("Spin %v must be 0 to %v", c.Spin, maxSpin)
	case c.Deadline <= 0:
		return configError("Deadline %v must be above zero", c.Deadline)
	case c.Linger < 0:
		return configError("Linger %v must not be negative", c.Linger)
	}
	return nil
}

// FrameBytes is the size of the largest frame, for a transport's buffers and a server's max_payload.
func (c Config) FrameBytes() int { return HeaderBytes + max(c.ChunkBytes, maxAbortText) }

// ControlFrameBytes is the size of the largest frame to the previous rank.
func (c Config) ControlFrameBytes() int { return HeaderBytes + maxAbortText }

// WindowFrames is the largest number of data frames in flight on one ring edge.
func (c Config) WindowFrames() int { return c.WindowBytes / c.ChunkBytes }

// Next is the rank that this rank sends data to.
func (c Config) Next() int { return (c.Rank + 1) % c.WorldSize }

// Prev is the rank that this rank receives data from.
func (c Config) Prev() int { return (c.Rank + c.WorldSize - 1) % c.WorldSize }

// StripeBytes is the least part of a vector, in bytes of float32, that is worth a ring of its own.
const StripeBytes = 64 << 10

// The largest window: every ring edge reserves it, and a queue for its frames.
const (
	MaxWindowBytes  = 1 << 30
	MaxWindowFrames = 1 << 16
)

const (
	maxSpin       = time.Millisecond
	maxRings      = 64
	maxSize       = 1<<16 - 1
	maxChunkBytes = 8<<20 - HeaderBytes
)

func validJob(job string) bool {
	for _, r := range job {
		if (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-' && r != '_' {
			return false
		}
	}
	return job != ""
}

func configError(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrConfig, fmt.Sprintf(format, args...))
}
