// Package models is the zoo: each model is a short function that reads like its paper, and a line in the registry.
// All take one-channel images and tell ten classes apart.
//
//	m, err := models.Lookup("lenet")
//	params, err := m.NewParams(device)
//	program, err := exec.Compile(exec.Config{
//		Device: device, Params: params, Batch: 256, Side: m.InputSide, Build: m.Build, Training: true,
//	})
//
// To add a model, write its function over an nn.Builder in a file of its own and register it there, in init; the
// example shows one from outside the package. Every command then knows its name. Package modelstest compares training
// steps with golden files that PyTorch made.
package models
