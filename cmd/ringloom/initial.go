package main

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"os"

	"ringloom/checkpoint"
	"ringloom/models"
	"ringloom/nn"
	"ringloom/nn/purego"
)

// initial is where the parameters start: a checkpoint, or the seed.
type initial struct {
	path    string
	hash    string // of the file's content, for the digest
	meta    checkpoint.Meta
	tensors []checkpoint.Tensor
}

// loadInitial reads a checkpoint and checks that it fits the model, before any other node is bothered.
func loadInitial(path, model string) (*initial, error) {
	if path == "" {
		return &initial{hash: "from the seed"}, nil
	}
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, usageError{fmt.Errorf("--init: %w", err)}
	}
	meta, tensors, err := checkpoint.Read(bytes.NewReader(content))
	if err != nil {
		return nil, usageError{fmt.Errorf("--init %s: %w", path, err)}
	}
	i := &initial{path: path, hash: fmt.Sprintf("%x", sha256.Sum256(content)), meta: meta, tensors: tensors}
	spec, err := models.Lookup(model)
	if err != nil {
		return nil, err
	}
	scratch := purego.New()
	defer scratch.Close()
	params, err := spec.NewParams(scratch)
	if err != nil {
		return nil, err
	}
	if err := i.apply(model, params); err != nil {
		return nil, usageError{err}
	}
	return i, nil
}

// apply copies the checkpoint's parameters, if there is one.
func (i *initial) apply(model string, params *nn.Params) error {
	if i.path == "" {
		return nil
	}
	if err := checkpoint.Fit(model, tensorsOf(params), i.meta, i.tensors); err != nil {
		return fmt.Errorf("--init %s: %w", i.path, err)
	}
	return nil
}
