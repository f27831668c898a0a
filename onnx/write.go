package onnx

import (
	"fmt"
	"io"
	"maps"
	"slices"

	"ringloom/internal/float32le"
	"ringloom/nn"
)

const (
	// irVersion and opset belong together: those of ONNX 1.8 (2020), which every reader knows.
	irVersion = 7
	opset     = 13
	// maxBytes is the limit of a protocol buffer message.
	maxBytes = 1<<31 - 1
)

// Config says what Write writes.
type Config struct {
	// Name of the graph, and Version of the program that writes it.
	Name, Version string
	// Info describes the model at images of Side x Side pixels.
	Info nn.Info
	Side int
	// Batch is the number of images that the graph takes; 0 leaves it open.
	Batch int
	// Value returns the elements of a parameter or state of Info by its name.
	Value func(name string) []float32
	// Metadata goes into the file for people.
	Metadata map[string]string
}

// initializer is a tensor: its encoding up to the data, and the data.
type initializer struct {
	head message
	data []float32
}

// Write writes the model. It returns an error, before it has written anything, for a model that ONNX has no operator
// for, values that do not fill their shapes, and a file beyond 2 GB, which the format cannot hold.
func Write(w io.Writer, c Config) error {
	graph, initializers, err := c.graph()
	if err != nil {
		return fmt.Errorf("onnx: model %s: %w", c.Name, err)
	}
	size := len(graph)
	for _, t := range initializers {
		size += len(t.head) + 4*len(t.data)
	}
	if size > maxBytes {
		return fmt.Errorf("onnx: model %s: %d bytes, the format takes up to %d", c.Name, size, maxBytes)
	}
	var model, operators message
	operators.varint(opsetVersion, opset)
	model.varint(modelIRVersion, irVersion)
	model.text(modelProducer, "ringloom")
	model.text(modelProducerVersion, c.Version)
	model.message(modelOpset, operators)
	for _, key := range slices.Sorted(maps.Keys(c.Metadata)) {
		var entry message
		entry.text(entryKey, key)
		entry.text(entryValue, c.Metadata[key])
		model.message(modelMetadata, entry)
	}
	model.begin(modelGraph, size)
	for _, part := range []message{model, graph} {
		if _, err := w.Write(part); err != nil {
			return err
		}
	}
	for _, t := range initializers {
		if err := t.write(w); err != nil {
			return err
		}
	}
	return nil
}

// graph is the graph's encoding but for the initializers, which end it.
func (c Config) graph() (message, []initializer, error) {
	list, err := nodes(c.Info)
	if err != nil {
		return nil, nil, err
	}
	var graph message
	graph.text(graphName, c.Name)
	for _, n := range list {
		graph.message(graphNode, encodeNode(n))
	}
	graph.message(graphInput, encodeValue(inputName, c.Batch, 1, c.Side, c.Side))
	graph.message(graphOutput, encodeValue(outputName, c.Batch, c.Info.Classes))
	var initializers []initializer
	for _, p := range slices.Concat(c.Info.Params, c.Info.State) {
		values := c.Value(p.Name)
		if len(values) != p.Len {
			return nil, nil, fmt.Errorf("tensor %s of shape %v has %d elements", p.Name, p.Shape, len(values))
		}
		tensor := encodeTensor(p.Name, p.Shape, p.Len)
		var head message
		head.begin(graphInitializer, len(tensor)+4*p.Len)
		initializers = append(initializers, initializer{append(head, tensor...), values})
	}
	return graph, initializers, nil
}

func (t initializer) write(w io.Writer) error {
	if _, err := w.Write(t.head); err != nil {
		return err
	}
	return float32le.Write(w, t.data)
}
