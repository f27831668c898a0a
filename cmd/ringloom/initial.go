package main

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"os"

	"ringloom/checkpoint"
	"ringloom/models"
	"ringloom/nn"
	"ringloom/nn/op"
	"ringloom/nn/purego"
)

// initial is where the parameters start: a checkpoint, or the seed.
type initial struct {
	path    string
	hash    string // of the file's content, for the digest
	meta    checkpoint.Meta
	tensors []checkpoint.Tensor // of the model
}

// readInitial reads a checkpoint: a state dict, or the model's part of a training state.
func readInitial(path string) (*initial, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, dataError{fmt.Errorf("--init: %w", err)}
	}
	meta, tensors, err := checkpoint.Read(bytes.NewReader(content))
	if err != nil {
		return nil, dataError{fmt.Errorf("--init %s: %w", path, err)}
	}
	model, _ := checkpoint.Split(tensors)
	return &initial{path: path, hash: fmt.Sprintf("%x", sha256.Sum256(content)), meta: meta, tensors: model}, nil
}

// loadInitial reads a checkpoint and checks that it fits the model, before any other node is bothered.
func loadInitial(path, model string) (*initial, error) {
	if path == "" {
		return &initial{hash: "from the seed"}, nil
	}
	i, err := readInitial(path)
	if err != nil {
		return nil, err
	}
	spec, err := models.Lookup(model)
	if err != nil {
		return nil, err
	}
	scratch := purego.New()
	defer scratch.Close()
	_, err = i.params(spec, scratch)
	return i, err
}

// params are the checkpoint's parameters of a model on a device.
func (i *initial) params(spec models.Spec, device op.Device) (*nn.Params, error) {
	params, err := spec.NewParams(device)
	if err != nil {
		return nil, err
	}
	if err := i.apply(spec.Name, params); err != nil {
		return nil, err
	}
	return params, nil
}

// model is the model that flag names, or else the checkpoint's.
func (i *initial) model(flag string) (models.Spec, error) {
	name := flag
	if name == "" {
		name = i.meta.Model
	}
	if name == "" {
		return models.Spec{}, usageError{fmt.Errorf("--init %s does not say of which model it is: give --model", i.path)}
	}
	spec, err := models.Lookup(name)
	if err != nil {
		return models.Spec{}, usageError{fmt.Errorf("--model: %w", err)}
	}
	return spec, nil
}

// apply copies the checkpoint's parameters, if there is one.
func (i *initial) apply(model string, params *nn.Params) error {
	if i.path == "" {
		return nil
	}
	if err := checkpoint.Fit(model, tensorsOf(params, 0), i.meta, i.tensors); err != nil {
		return dataError{fmt.Errorf("--init %s: %w", i.path, err)}
	}
	return params.Push()
}
