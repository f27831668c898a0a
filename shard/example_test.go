package shard_test

import (
	"fmt"

	"ringloom/shard"
)

// Two ranks share seven samples, four in a step. The last batch is smaller, and no sample is repeated or dropped.
func Example() {
	for rank := range 2 {
		sampler, err := shard.New(shard.Config{Samples: 7, GlobalBatch: 4, WorldSize: 2, Rank: rank})
		if err != nil {
			fmt.Println(err)
			return
		}
		for step := range sampler.Steps() {
			fmt.Printf("rank %d, step %d: %v of %d\n", rank, step, sampler.Batch(0, step, nil), sampler.GlobalLen(0, step))
		}
	}
	// Output:
	// rank 0, step 0: [0 1] of 4
	// rank 0, step 1: [4 5] of 3
	// rank 1, step 0: [2 3] of 4
	// rank 1, step 1: [6] of 3
}
