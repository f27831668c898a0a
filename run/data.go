package run

import (
	"context"

	"ringloom/data"
)

// Datasets is Fashion-MNIST, or what takes its place, decoded.
type Datasets struct {
	Train, Test *data.Dataset
	Dir         string // where it was found, for people
	Hash        string // of both sets: all nodes must have the same
}

// NewDatasets are sets that are loaded already.
func NewDatasets(train, test *data.Dataset, dir string) Datasets {
	return Datasets{Train: train, Test: test, Dir: dir, Hash: train.Hash()[:16] + test.Hash()[:16]}
}

// LoadData finds the data set, downloading it if it must, verifies and loads it. Errors are DataErrors.
func LoadData(ctx context.Context, o data.Options) (Datasets, error) {
	source, err := data.Find(ctx, o)
	if err != nil {
		return Datasets{}, DataError{err}
	}
	return await(ctx, o.Say, "reading Fashion-MNIST in "+source.Dir, func() (Datasets, error) {
		train, test, err := source.Load()
		if err != nil {
			return Datasets{}, DataError{err}
		}
		return NewDatasets(train, test, source.Dir), nil
	})
}
