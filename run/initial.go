package run

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

// Initial is where the parameters start: a checkpoint, or the seed.
type Initial struct {
	path    string
	hash    string // of the file's content, for the digest
	meta    checkpoint.Meta
	tensors []checkpoint.Tensor // of the model
}

// ReadInitial reads a checkpoint: a state dict, or the model's part of a training state. Errors are DataErrors.
func ReadInitial(path string) (*Initial, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, DataError{settingError("init", ": %w", err)}
	}
	meta, tensors, err := checkpoint.Read(bytes.NewReader(content))
	if err != nil {
		return nil, (&Initial{path: path}).error(err)
	}
	model, _ := checkpoint.Split(tensors)
	return &Initial{path: path, hash: fmt.Sprintf("%x", sha256.Sum256(content)), meta: meta, tensors: model}, nil
}

func (i *Initial) error(err error) error {
	return DataError{settingError("init", " %s: %w", i.path, err)}
}

// loadInitial reads a checkpoint and checks that it fits the model, before any other node is bothered.
func loadInitial(path, model string) (*Initial, error) {
	if path == "" {
		return &Initial{hash: "from the seed"}, nil
	}
	i, err := ReadInitial(path)
	if err != nil {
		return nil, err
	}
	spec, err := models.Lookup(model)
	if err != nil {
		return nil, err
	}
	scratch := purego.New()
	defer scratch.Close()
	_, err = i.Params(spec, scratch)
	return i, err
}

// Meta is what the checkpoint says besides its tensors.
func (i *Initial) Meta() checkpoint.Meta { return i.meta }

// Params are the checkpoint's parameters of a model on a device. A checkpoint that does not fit is a DataError.
func (i *Initial) Params(spec models.Spec, device op.Device) (*nn.Params, error) {
	info, err := spec.Inspect()
	if err != nil {
		return nil, err
	}
	if err := fitsInfo(spec.Name, info, i.meta, i.tensors); err != nil { // before the memory that a false name may ask for
		return nil, i.error(err)
	}
	params, err := spec.NewParams(device)
	if err != nil {
		return nil, err
	}
	if err := i.apply(spec.Name, params); err != nil {
		return nil, err
	}
	return params, nil
}

// Model is the model called name or, without one, the checkpoint's; what another program calls it counts where that is one of ours.
// Errors are UsageErrors.
func (i *Initial) Model(name string) (models.Spec, error) {
	if name == "" {
		name = i.meta.Model
		if _, err := models.Lookup(name); err != nil && i.meta.Foreign {
			name = ""
		}
	}
	if name == "" {
		return models.Spec{}, UsageError{settingError("init", " %s does not say of which model it is: give --model", i.path)}
	}
	spec, err := models.Lookup(name)
	if err != nil {
		return models.Spec{}, UsageError{settingError("model", ": %w", err)}
	}
	return spec, nil
}

// apply copies the checkpoint's parameters, if there is one.
func (i *Initial) apply(model string, params *nn.Params) error {
	if i.path == "" {
		return nil
	}
	if err := checkpoint.Fit(model, StateDict(params, 0), i.meta, i.tensors); err != nil {
		return i.error(err)
	}
	return params.Push()
}
