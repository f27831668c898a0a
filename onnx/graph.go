package onnx

import (
	"fmt"

	"ringloom/nn"
	"ringloom/nn/op"
)

// The names of the graph's two ends.
const (
	inputName  = "input"
	outputName = "logits"
)

// node is an operator with its attributes.
type node struct {
	op, name   string
	inputs     []string
	output     string
	attributes []attribute
}

// attribute is one of the three kinds that the operators here need.
type attribute struct {
	name  string
	ints  []int
	num   *int
	float *float32
}

func ints(name string, values ...int) attribute  { return attribute{name: name, ints: values} }
func num(name string, value int) attribute       { return attribute{name: name, num: &value} }
func float(name string, value float32) attribute { return attribute{name: name, float: &value} }
func window(h, w, strideH, strideW, padH, padW int) []attribute {
	return []attribute{ints("kernel_shape", h, w), ints("strides", strideH, strideW), ints("pads", padH, padW, padH, padW)}
}

// nodes are the layers as operators, in order. Layers that do nothing in inference are passed by.
func nodes(info nn.Info) ([]node, error) {
	var list []node
	values := make([]string, len(info.Layers)) // name of each layer's result
	made := map[string]bool{inputName: true}
	for i, layer := range info.Layers {
		var inputs []string
		for _, in := range layer.Inputs {
			if in < 0 {
				inputs = append(inputs, inputName)
				continue
			}
			inputs = append(inputs, values[in])
		}
		if layer.Class == "Dropout" {
			values[i] = inputs[0]
			continue
		}
		n, err := operator(layer)
		if err != nil {
			return nil, fmt.Errorf("layer %s (%s): %w", layer.Module, layer.Class, err)
		}
		for _, p := range layer.Params {
			inputs = append(inputs, info.Params[p].Name)
		}
		for _, s := range layer.State {
			inputs = append(inputs, info.State[s].Name)
		}
		n.name, n.inputs, n.output = layer.Module, inputs, layer.Module
		if made[n.output] || n.output == outputName {
			return nil, fmt.Errorf("two layers are called %s", n.output)
		}
		made[n.output] = true
		values[i] = n.output
		list = append(list, n)
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("the model has no layers")
	}
	last := &list[len(list)-1]
	if values[len(values)-1] != last.output {
		return nil, fmt.Errorf("the model ends in a layer that inference leaves out")
	}
	last.output = outputName
	return list, nil
}

// operator is a layer's operator with its attributes alone.
func operator(layer nn.Layer) (node, error) {
	switch layer.Class {
	case "ReLU":
		return node{op: "Relu"}, nil
	case "Sigmoid", "Add":
		return node{op: layer.Class}, nil
	case "Concat":
		return node{op: "Concat", attributes: []attribute{num("axis", 1)}}, nil
	case "Flatten":
		return node{op: "Flatten", attributes: []attribute{num("axis", 1)}}, nil
	case "BatchNorm2d":
		return node{op: "BatchNormalization", attributes: []attribute{float("epsilon", op.BatchNormEpsilon)}}, nil
	}
	switch spec := layer.Spec.(type) {
	case op.ConvForward:
		return node{op: "Conv", attributes: window(spec.KernelH, spec.KernelW, spec.StrideH, spec.StrideW, spec.PadH, spec.PadW)}, nil
	case op.LinearForward:
		return node{op: "Gemm", attributes: []attribute{num("transB", 1)}}, nil
	case op.MaxPoolForward:
		return node{op: "MaxPool", attributes: poolWindow(spec.Pool)}, nil
	case op.AvgPoolForward:
		if layer.Class == "AdaptiveAvgPool2d" {
			return node{op: "GlobalAveragePool"}, nil
		}
		return node{op: "AveragePool", attributes: append(poolWindow(spec.Pool), num("count_include_pad", 1))}, nil
	}
	return node{}, fmt.Errorf("there is no ONNX operator for it here")
}

func poolWindow(p op.Pool) []attribute {
	return window(p.KernelH, p.KernelW, p.StrideH, p.StrideW, p.PadH, p.PadW)
}
