package step

import (
	"context"
	"math/rand/v2"
	"slices"

	"ringloom/data"
	"ringloom/nn/op"
)

// batch is one step's images [Batch, Side, Side] in 0..1 and labels [Batch]. An accelerator gets bytes, of the data
// set's side, in place of the pixels.
type batch struct {
	pixels, labels []float32
	images         []byte
}

// sourceSide is the side of the images that the device gets.
func (c Config) sourceSide() int {
	switch _, accelerated := op.AsAccelerator(c.Device); {
	case !accelerated:
		return c.Model.InputSide
	case c.Images == nil:
		return data.Side
	}
	return c.Images.Side
}

// resampling is how an accelerator makes the model's images of them.
func (c Config) resampling() *op.Resampling {
	r := op.Resampling(data.NewResampling(c.sourceSide(), c.Model.InputSide))
	return &r
}

// maxBatches are prepared and used one after the other. They differ, so that the loss is one of training and not of
// memorising a single batch; they are few, because they are kept in memory.
const maxBatches = 4

// batches are the first images of the data set, or random ones where there is none.
func (c Config) batches(ctx context.Context) ([]batch, error) {
	if c.Images == nil {
		return []batch{c.randomBatch()}, nil
	}
	n := min(maxBatches, c.Images.N/c.Batch)
	loader := data.NewLoader(data.LoaderConfig{
		Dataset: c.Images, Side: c.sourceSide(), Steps: n,
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
		all[i] = batch{labels: slices.Clone(b.Labels)}
		if _, accelerated := op.AsAccelerator(c.Device); accelerated {
			all[i].images = slices.Clone(b.Pixels)
		} else {
			all[i].pixels = make([]float32, len(b.Pixels))
			b.Fill(all[i].pixels, all[i].labels, 0, b.N)
		}
		loader.Release(b)
	}
	return all, nil
}

func (c Config) randomBatch() batch {
	const classes = 10
	rng := rand.New(rand.NewPCG(c.Seed, 0))
	side := c.sourceSide()
	b := batch{labels: make([]float32, c.Batch)}
	if _, accelerated := op.AsAccelerator(c.Device); accelerated {
		b.images = make([]byte, c.Batch*side*side)
		for i := range b.images {
			b.images[i] = byte(rng.IntN(256))
		}
	} else {
		b.pixels = make([]float32, c.Batch*side*side)
		for i := range b.pixels {
			b.pixels[i] = rng.Float32()
		}
	}
	for i := range b.labels {
		b.labels[i] = float32(rng.IntN(classes))
	}
	return b
}
