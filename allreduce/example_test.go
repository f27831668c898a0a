package allreduce_test

import (
	"context"
	"fmt"

	"ringloom/allreduce"
	"ringloom/allreduce/allreducetest"
)

// Three ranks in one process sum a vector. In a cluster the transport comes from natsring.Join.
func Example() {
	cfg := allreduce.DefaultConfig()
	cfg.Job, cfg.WorldSize = "example", 3
	groups, _ := allreducetest.Groups(cfg, allreducetest.Faults{})
	defer allreducetest.CloseAll(groups)

	sums := make([][]float32, cfg.WorldSize)
	errs := allreducetest.Run(groups, func(g *allreduce.Group) error {
		gradients := []float32{1, float32(g.Rank()), 10}
		pending := g.StartAllReduce(gradients, allreduce.Sum{}) // runs while the caller goes on
		sums[g.Rank()] = gradients
		return pending.Wait(context.Background())
	})
	fmt.Println(sums, errs)
	// Output: [[3 3 30] [3 3 30] [3 3 30]] [<nil> <nil> <nil>]
}
