package measure

import (
	"encoding/binary"
	"math/rand/v2"

	"ringloom/data"
)

// sets are what one global batch trains and is evaluated on: whole batches, so that all steps are alike, and an image a
// rank. images is nil where the data set is not here: then pixels are random. A device that ignores images gets zeros,
// which take no memory.
func sets(images *data.Dataset, blind bool, globalBatch, ranks int, seed uint64) (training, test *data.Dataset) {
	if images == nil || blind {
		images = noise(blind, seed)
	}
	first := func(n int) *data.Dataset {
		return data.NewDataset(images.Images[:n*images.Side*images.Side], images.Labels[:n], images.Side)
	}
	return first(images.N / globalBatch * globalBatch), first(min(ranks, images.N))
}

// noise is as many images as Fashion-MNIST has, at random.
func noise(blank bool, seed uint64) *data.Dataset {
	const n = trainSamples
	pixels, labels := make([]byte, n*data.Side*data.Side), make([]byte, n)
	if !blank {
		rng := rand.New(rand.NewPCG(seed, 0))
		for i := 0; i+8 <= len(pixels); i += 8 {
			binary.LittleEndian.PutUint64(pixels[i:], rng.Uint64())
		}
		for i := range labels {
			labels[i] = byte(rng.IntN(data.Classes))
		}
	}
	return data.NewDataset(pixels, labels, data.Side)
}
