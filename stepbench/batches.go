package stepbench

import (
	"context"
	"math/rand/v2"

	"ringloom/data"
)

// batch is one step's images [Batch, Side, Side] in 0..1 and labels [Batch].
type batch struct{ pixels, labels []float32 }

// maxBatches are prepared and used in turn. Different ones, so that the loss stays one of training and not of
// learning a single batch by heart; few, for they lie in memory.
const maxBatches = 4

// batches are the first images of the data set, or random ones where there is none.
func (c Config) batches(ctx context.Context) ([]batch, error) {
	if c.Images == nil {
		return []batch{c.randomBatch()}, nil
	}
	n := min(maxBatches, c.Images.N/c.Batch)
	loader := data.NewLoader(data.LoaderConfig{
		Dataset: c.Images, Side: c.Model.InputSide, Steps: n,
		Batch: func(step int, dst []int32) []int32 {
			for i := range c.Batch {
				dst = append(dst, int32(step*c.Batch+i))
			}
			return dst
		},
	})
	defer loader.Close()
	all := make([]batch, n)
	for i := range all {
		b, err := loader.Next(ctx)
		if err != nil {
			return nil, err
		}
		all[i] = batch{make([]float32, len(b.Pixels)), make([]float32, b.N)}
		b.Fill(all[i].pixels, all[i].labels, 0, b.N)
		loader.Release(b)
	}
	return all, nil
}

func (c Config) randomBatch() batch {
	const classes = 10
	rng := rand.New(rand.NewPCG(c.Seed, 0))
	b := batch{make([]float32, c.Batch*c.Model.InputSide*c.Model.InputSide), make([]float32, c.Batch)}
	for i := range b.pixels {
		b.pixels[i] = rng.Float32()
	}
	for i := range b.labels {
		b.labels[i] = float32(rng.IntN(classes))
	}
	return b
}
