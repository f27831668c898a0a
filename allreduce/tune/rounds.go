package tune

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"

	"ringloom/allreduce"
)

// Gatherer gives every rank the bytes of all, as *allreduce.Group does.
type Gatherer interface {
	AllGatherBytes(ctx context.Context, block []byte) ([][]byte, error)
}

// BestRound is the best round of all ranks, where a round takes as long as its slowest rank. seconds are this rank's,
// by round; every rank has as many. All ranks get the same number.
func BestRound(ctx context.Context, ring Gatherer, seconds []float64) (float64, error) {
	var block []byte
	for _, s := range seconds {
		block = binary.LittleEndian.AppendUint64(block, math.Float64bits(s))
	}
	all, err := ring.AllGatherBytes(ctx, block)
	if err != nil {
		return 0, err
	}
	best := math.Inf(1)
	for round := range seconds {
		slowest := 0.0
		for rank, b := range all {
			if len(b) != len(block) {
				return 0, fmt.Errorf("%w: rank %d has measured %d rounds, this rank %d", allreduce.ErrMismatch, rank, len(b)/8, len(seconds))
			}
			slowest = max(slowest, math.Float64frombits(binary.LittleEndian.Uint64(b[8*round:])))
		}
		best = min(best, slowest)
	}
	return best, nil
}
