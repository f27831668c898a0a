package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"ringloom/models"
	"ringloom/nn"
	"ringloom/nn/op"
)

// describeModel prints a line a layer, and one at the end of each block of layers.
func describeModel(out io.Writer, model models.Spec, batch int) error {
	info, bytes, err := inspectModel(model, batch)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "%s: %s\n\n", model.Name, model.About)
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "parameters\tforward MFLOPs\tmodule\t  layer")
	row := func(params int, flops int64, module, layer, shape string) {
		fmt.Fprintf(w, "%d\t%.2f\t%s\t  %s output shape: %s\n", params, float64(flops)/1e6, module, layer, shape)
	}
	flat := flatLayers(info.Layers)
	var block struct {
		params int
		flops  int64
	}
	for i, l := range info.Layers {
		params := 0
		for _, p := range l.Params {
			params += info.Params[p].Len
		}
		shape := outputShape(l.Output, flat[i])
		row(params, layerFLOPs(l), l.Module, l.Class, shape)
		name, inside := blockOf(l)
		if !inside {
			continue
		}
		block.params += params
		block.flops += layerFLOPs(l)
		if i+1 < len(info.Layers) {
			if next, _ := blockOf(info.Layers[i+1]); next == name {
				continue
			}
		}
		row(block.params, block.flops, name, "Sequential", shape)
		block.params, block.flops = 0, 0
	}
	if err := w.Flush(); err != nil {
		return err
	}
	fmt.Fprintf(out, "\ninput 1 x 1 x %d x %d, %d parameters in %d tensors", model.InputSide, model.InputSide, info.ParamLen(), len(info.Params))
	if len(info.State) > 0 {
		fmt.Fprintf(out, " (and %d tensors of running moments)", len(info.State))
	}
	fmt.Fprintf(out, "\nper image %.2f MFLOPs forward, %.2f in a training step; activations of a training step of %d images: %.1f MiB\n",
		float64(info.ForwardFLOPs)/1e6, float64(trainingFLOPs(info.Layers))/1e6, batch, float64(bytes)/(1<<20))
	return nil
}

// blockOf is the child of the network's outermost Sequential that a layer belongs to, and whether that child is a
// Sequential of its own, with the layer inside.
func blockOf(l nn.Layer) (name string, inside bool) {
	name, _, inside = strings.Cut(l.Module, ".")
	return name, inside
}

// flatLayers says which results PyTorch has as matrices: those of Flatten and Linear, and what follows them element by
// element.
func flatLayers(layers []nn.Layer) []bool {
	flat := make([]bool, len(layers))
	for i, l := range layers {
		switch l.Class {
		case "Flatten", "Linear":
			flat[i] = true
		case "ReLU", "Sigmoid", "Dropout":
			flat[i] = l.Inputs[0] >= 0 && flat[l.Inputs[0]]
		}
	}
	return flat
}

// outputShape is a shape as PyTorch orders it.
func outputShape(i op.Image, flat bool) string {
	if flat {
		return fmt.Sprintf("%d x %d", i.N, i.C*i.H*i.W)
	}
	return fmt.Sprintf("%d x %d x %d x %d", i.N, i.C, i.H, i.W)
}
