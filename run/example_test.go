package run_test

import (
	"context"
	"fmt"
	"os"

	"ringloom/data"
	"ringloom/run"
)

// A node that is alone trains on images of its own, and says how far it is.
func ExampleNode() {
	dir, err := os.MkdirTemp("", "ringloom-example-")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	images := data.NewDataset(make([]byte, 64*data.Side*data.Side), make([]byte, 64), data.Side)
	sets := run.NewDatasets(images, images, "in memory")

	c := run.Default()
	c.Member.WorldSize = 1
	c.Device.Name, c.Datasets, c.RunDir = "purego", &sets, dir
	c.Train.Epochs, c.Train.GlobalBatch = 1, 32

	result, err := run.Node(context.Background(), c, func(event run.Event) {
		switch e := event.(type) {
		case run.Joined:
			fmt.Println("rank", e.View.Rank, "of", e.View.WorldSize())
		case run.Step:
			fmt.Println("step", e.Step.Step, "of", e.Steps)
		}
	})
	fmt.Println(result.Steps, "steps, test accuracy", result.TestAccuracy, err)
	// Output:
	// rank 0 of 1
	// step 1 of 2
	// step 2 of 2
	// 2 steps, test accuracy 1 <nil>
}
