package collective

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"ringloom/allreduce"
	"ringloom/allreduce/codec"
)

// Op is a collective.
type Op string

// The names of the collectives are those of nccl-tests' programs. Vectors are of float32.
const (
	AllReduce      Op = "all-reduce"
	ReduceScatter  Op = "reduce-scatter"
	AllGather      Op = "all-gather"
	AllGatherBytes Op = "all-gather-bytes" // of blocks whose lengths may differ
	Broadcast      Op = "broadcast"        // from rank 0
	Barrier        Op = "barrier"
)

// Ops are all of them.
func Ops() []Op { return []Op{AllReduce, ReduceScatter, AllGather, AllGatherBytes, Broadcast, Barrier} }

// Sums says whether elements of several ranks become one.
func (o Op) Sums() bool { return o == AllReduce || o == ReduceScatter }

// ParseOp finds the collective of that name.
func ParseOp(name string) (Op, error) {
	if op := Op(name); slices.Contains(Ops(), op) {
		return op, nil
	}
	var names []string
	for _, op := range Ops() {
		names = append(names, string(op))
	}
	return "", fmt.Errorf("%q: choose one of %s", name, strings.Join(names, ", "))
}

// RedOp is how elements of several ranks become one; "none" where they do not.
func (o Op) RedOp() string {
	if o.Sums() {
		return "sum"
	}
	return "none"
}

// Type is that of the elements.
func (o Op) Type() string {
	switch o {
	case AllGatherBytes:
		return "byte"
	case Barrier:
		return "none"
	}
	return "float32"
}

// busFactor is bus bandwidth over algorithm bandwidth, as nccl-tests has it (doc/PERFORMANCE.md).
func (o Op) busFactor(ranks int) float64 {
	n := float64(ranks)
	switch o {
	case AllReduce:
		return 2 * (n - 1) / n
	case ReduceScatter, AllGather, AllGatherBytes:
		return (n - 1) / n
	}
	return 1
}

// Ring is one rank's end of the ring: an *allreduce.Group, or Wired.
type Ring interface {
	Rank() int
	WorldSize() int
	AllReduce(ctx context.Context, buf []float32) error
	ReduceScatter(ctx context.Context, buf []float32) error
	AllGather(ctx context.Context, buf []float32) error
	// Shard is what a rank owns of a vector after ReduceScatter and before AllGather.
	Shard(length, rank int) []allreduce.Range
	Broadcast(ctx context.Context, buf []float32, root int) error
	Barrier(ctx context.Context) error
	AllGatherBytes(ctx context.Context, block []byte) ([][]byte, error)
}

// Wired is a group whose sums travel in a format.
type Wired struct {
	*allreduce.Group
	Format codec.Format
}

// AllReduce sums buf over all ranks, in place.
func (w Wired) AllReduce(ctx context.Context, buf []float32) error {
	return w.StartAllReduce(buf, allreduce.Sum{Format: w.Format}).Wait(ctx)
}

// ReduceScatter sums buf over all ranks and leaves each rank its shard.
func (w Wired) ReduceScatter(ctx context.Context, buf []float32) error {
	return w.StartReduceScatter(buf, allreduce.Sum{Format: w.Format}).Wait(ctx)
}
