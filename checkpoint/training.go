package checkpoint

import (
	"io"
	"strings"
)

// The prefixes of the two parts of a training state. No model has modules of these names.
const (
	modelPrefix     = "model."
	optimizerPrefix = "optimizer."
)

// WriteTraining writes a training state: the model's tensors, and the optimizer's own, named KIND.PARAMETER, such as
// "mean.0.weight".
func WriteTraining(w io.Writer, meta Meta, model, optimizer []Tensor) error {
	all := make([]Tensor, 0, len(model)+len(optimizer))
	for _, t := range model {
		t.Name = modelPrefix + t.Name
		all = append(all, t)
	}
	for _, t := range optimizer {
		t.Name = optimizerPrefix + t.Name
		all = append(all, t)
	}
	return Write(w, meta, all)
}

// Split separates what Read returned into the model's tensors and the optimizer's, with the names that WriteTraining
// was given. In a plain state dict everything is the model's.
func Split(tensors []Tensor) (model, optimizer []Tensor) {
	for _, t := range tensors {
		if name, ok := strings.CutPrefix(t.Name, optimizerPrefix); ok {
			t.Name = name
			optimizer = append(optimizer, t)
			continue
		}
		t.Name = strings.TrimPrefix(t.Name, modelPrefix)
		model = append(model, t)
	}
	return model, optimizer
}
