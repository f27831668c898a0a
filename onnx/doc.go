// Package onnx writes a model with its parameters as an ONNX file (Open Neural Network Exchange), for inference by
// other programs.
//
// The graph has one input, "input" [N, 1, side, side], grey images with values from 0 to 1, and one output, "logits"
// [N, classes]. Initializers have the names and the shapes of PyTorch's state dict, intermediate values those of the
// modules that compute them. Batch norm uses its running moments; dropout is left out.
//
// Write streams: the file is never in memory as a whole. The encoding is protocol buffers (onnx.proto of the ONNX
// specification), operator set 13.
package onnx
