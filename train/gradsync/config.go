package gradsync

import (
	"fmt"

	"ringloom/allreduce/codec"
	"ringloom/nn"
	"ringloom/train/optim"
)

// Config says how gradients become updates. All but Rank agrees on all ranks. It is taken as it is: the training's
// Config is validated.
type Config struct {
	Rank, WorldSize int

	BucketBytes  int // least gradient bytes that travel as one collective; 0 lets the model decide (bucketBytesFor)
	MicroBatches int // the most that a step is taken in; above 1 costs the gradients' memory once more

	Format        codec.Format // in which gradients travel
	ErrorFeedback bool         // add what Format loses of a gradient to the next one; costs the gradients' memory twice more
	// Shard makes each rank update a part of the parameters and hand it to the others, so that it needs the optimizer's
	// memory for that part alone (ZeRO stage 1: Rajbhandari et al., arXiv:1910.02054).
	Shard bool

	// Mirror has the rank behind each one keep a copy of what the optimizer remembers there, so that a rank that is lost takes nothing with it;
	// with Shard alone. It costs the optimizer's memory of a shard more, and half a hop in each bucket's sum.
	Mirror bool

	// PowerSGD sends the gradients of large fully connected weights as two thin factors of this rank (Vogels et al.,
	// arXiv:1905.13727), from step PowerSGDStart on; 0 sends them whole.
	PowerSGD, PowerSGDStart int
	Seed                    uint64 // of what PowerSGD's factors start from

	Grows bool // the world may have more ranks later on (Sync.Rebind)
	Norm  bool // every step asks for the gradient's norm
	// Optimizer updates the parameters. Without a method nothing is ever committed, as where buckets are only tried.
	Optimizer optim.Config
}

// LeastLowRank is the fewest elements of weights whose gradient PowerSGD sends as factors: below 64 KiB a sum is a matter
// of latency, of which two factors have more than one matrix. leastCompression is by how much they must be smaller.
const (
	LeastLowRank     = 16 << 10
	leastCompression = 2
)

// Compresses says whether PowerSGD sends a parameter's gradient as factors.
func (c Config) Compresses(p nn.Param) bool {
	if c.PowerSGD < 1 || p.Layer != "Linear" || p.Kind != "weight" || p.Len < LeastLowRank {
		return false
	}
	return p.Len/c.PowerSGD >= leastCompression*(p.Shape[0]+p.Shape[1])
}

// FactorsLen is the number of elements of Memory.Factors; 0 where PowerSGD has nothing to compress.
func (c Config) FactorsLen(params []nn.Param) (n int) {
	for _, p := range params {
		if c.Compresses(p) {
			n += c.PowerSGD * p.Shape[1]
		}
	}
	return n
}

// remembers says whether ranks keep residuals: what each has of its gradients but has not yet added to a sum.
func (c Config) remembers() bool { return c.ErrorFeedback || c.PowerSGD > 0 }

// Travels says whether gradients are needed in the host's memory.
func (c Config) Travels() bool { return c.WorldSize > 1 || c.Grows || c.PowerSGD > 0 }

// mirrors says whether this rank keeps a copy of another one's part.
func (c Config) mirrors() bool { return c.Shard && c.Mirror && c.WorldSize > 1 }

// before is the rank before this one in the ring.
func (c Config) before() int { return (c.Rank + c.WorldSize - 1) % c.WorldSize }

// EventsPerStep is the most that a Clock is told of in a step.
func (c Config) EventsPerStep(params []nn.Param) int {
	each := 3 // waited for, summed, and what is computed with the sum
	if c.Shard || c.PowerSGD > 0 {
		each += 3 // the second collective: waited for, sent, and what is computed before
	}
	const check, norm, commit = 2, 2, 1
	return each*len(NewPlan(c, params)) + check + norm + commit
}

func preparing(what string, err error) error { return fmt.Errorf("preparing %s: %w", what, err) }
