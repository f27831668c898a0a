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

const (
	AllReduce Op = "allreduce"
	Broadcast Op = "broadcast" // from rank 0
	Gather    Op = "gather"    // every rank gets all parts, as nccl-tests' all_gather
	Barrier   Op = "barrier"
)

// Ops are all of them.
func Ops() []Op { return []Op{AllReduce, Broadcast, Gather, Barrier} }

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
	if o == AllReduce {
		return "sum"
	}
	return "none"
}

// Type is that of the elements.
func (o Op) Type() string {
	switch o {
	case Gather:
		return "byte"
	case Barrier:
		return "none"
	}
	return "float32"
}

// busFactor is bus bandwidth over algorithm bandwidth.
func (o Op) busFactor(ranks int) float64 {
	n := float64(ranks)
	switch o {
	case AllReduce:
		return 2 * (n - 1) / n
	case Gather:
		return (n - 1) / n
	}
	return 1
}

// Ring is one rank's end of the ring: an *allreduce.Group, or Wired.
type Ring interface {
	Rank() int
	WorldSize() int
	AllReduce(ctx context.Context, buf []float32) error
	Broadcast(ctx context.Context, buf []float32, root int) error
	Barrier(ctx context.Context) error
	AllGatherBytes(ctx context.Context, block []byte) ([][]byte, error)
}

// Wired is a group whose AllReduce sends numbers in a format.
type Wired struct {
	*allreduce.Group
	Format codec.Format
}

// AllReduce sums buf over all ranks, in place.
func (w Wired) AllReduce(ctx context.Context, buf []float32) error {
	return w.StartAllReduce(buf, allreduce.Sum{Format: w.Format}).Wait(ctx)
}
