package train_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"ringloom/allreduce"
	"ringloom/allreduce/allreducetest"
	"ringloom/data"
	"ringloom/nn/purego"
	"ringloom/train"
)

// Three ranks train LeNet in one process, over a ring in memory: no network and no files.
func Example() {
	const ranks = 3
	images, labels := make([]byte, 48*data.Side*data.Side), make([]byte, 48)
	for i := range labels { // class c has its own brightness
		labels[i] = byte(i % data.Classes)
		for p := range data.Side * data.Side {
			images[i*data.Side*data.Side+p] = 20 * labels[i]
		}
	}
	set := data.NewDataset(images, labels, data.Side)

	config := train.DefaultConfig() // lenet, adam
	config.Epochs, config.GlobalBatch = 2, 24

	ring := allreduce.DefaultConfig()
	ring.Job, ring.View, ring.WorldSize = "example", 1, ranks
	groups, _ := allreducetest.Groups(ring, allreducetest.Faults{})
	defer allreducetest.CloseAll(groups)

	parameters := make([][]float32, ranks)
	errs := allreducetest.Run(groups, func(g *allreduce.Group) error { // a goroutine for each rank
		device := purego.New()
		defer device.Close()
		worker, err := train.NewWorker(train.Options{
			Config: config, Device: device, Ring: g, Rank: g.Rank(), WorldSize: ranks, Train: set, Test: set,
			OnEpoch: func(e train.Epoch) error {
				if g.Rank() == 0 {
					fmt.Printf("epoch %d: %d steps, loss finite: %v\n", e.Number, e.Steps, !math.IsNaN(e.Loss))
				}
				return nil
			},
		})
		if err != nil {
			return err
		}
		err = worker.Run(context.Background())
		parameters[g.Rank()] = slices.Clone(worker.Params().Values.Host)
		return err
	})
	if err := errors.Join(errs...); err != nil {
		fmt.Println(err)
	}
	fmt.Println("the same parameters on all ranks:",
		slices.Equal(parameters[0], parameters[1]) && slices.Equal(parameters[0], parameters[2]))
	// Output:
	// epoch 1: 2 steps, loss finite: true
	// epoch 2: 4 steps, loss finite: true
	// the same parameters on all ranks: true
}
