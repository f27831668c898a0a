// Package data brings Fashion-MNIST to the training loop: it finds the four files or downloads them, verifies and
// decodes them, changes the training images at random where that is asked for (Augmentation), resizes the images as PIL
// does and prefetches batches. Pixels stay bytes until the step that uses them, which takes a quarter of the memory's
// traffic.
//
// Find returns the place that holds the data set, Source.Load reads it and refuses content whose SHA-256 differs from
// the published one, and a Loader fills batches ahead of the step that uses them:
//
//	source, err := data.Find(ctx, data.Options{Dir: flagValue})
//	train, test, err := source.Load()
//	loader := data.NewLoader(data.LoaderConfig{Dataset: train, Side: 224, Steps: steps, Batch: indices})
//	defer loader.Close()
//	batch, err := loader.Next(ctx)
//	// batch.Fill(pixels, labels, 0, batch.N), and use them
//	loader.Release(batch)
//
// Everything but Find's download and the Loader is synchronous. The Loader owns its goroutines: Next blocks until a
// batch is ready, Close returns after they have ended. To test what uses a Dataset, build one with NewDataset; no
// file is needed.
package data
