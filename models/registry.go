package models

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"ringloom/nn"
	"ringloom/nn/op"
)

// classes is the number of kinds of clothing in Fashion-MNIST.
const classes = 10

// Spec is a model.
type Spec struct {
	// Name is what --model takes.
	Name string
	// InputSide is the height and width of the images in pixels.
	InputSide int
	// About is one line for people: what it is and where it comes from.
	About string
	// Build makes the graph.
	Build nn.BuildFunc
}

// ErrUnknown is wrapped by Lookup's error.
var ErrUnknown = errors.New("unknown model")

var registry = map[string]Spec{}

func register(s Spec) {
	if _, twice := registry[s.Name]; twice {
		panic("models: " + s.Name + " is registered twice")
	}
	registry[s.Name] = s
}

// Names are those that Lookup knows, sorted.
func Names() []string { return slices.Sorted(maps.Keys(registry)) }

// Lookup finds a model. The error for an unknown name lists the known ones.
func Lookup(name string) (Spec, error) {
	s, ok := registry[name]
	if !ok {
		return Spec{}, fmt.Errorf("%w %q: choose one of %s", ErrUnknown, name, strings.Join(Names(), ", "))
	}
	return s, nil
}

// NewParams allocates the model's parameters on a device, all zero.
func (s Spec) NewParams(device op.Device) (*nn.Params, error) {
	return nn.NewParams(device, s.InputSide, s.Build)
}

// Inspect builds the model only to look at it: parameters, layers, arithmetic, without memory or device.
func (s Spec) Inspect() (nn.Info, error) {
	info, err := nn.Inspect(s.InputSide, s.Build)
	if err != nil {
		return nn.Info{}, fmt.Errorf("model %s: %w", s.Name, err)
	}
	return info, nil
}
