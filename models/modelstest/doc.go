// Package modelstest compares training steps of the models, on any device, with golden files that PyTorch made in
// float64: losses, logits, running moments, every parameter's gradient, and what Adam makes of them. A device's own
// test is one call, beside that of package nntest:
//
//	func TestGoldenSteps(t *testing.T) {
//		modelstest.Run(t, func(t testing.TB) op.Device { return mydevice.New() })
//	}
//
// OtherSeeds goes on from there: steps from other parameters on other images, whose golden numbers the plain device
// makes in float64.
//
// Under -short the large models are left out. The files are kept here; $RINGLOOM_GOLDEN names a folder of others.
package modelstest
