// Package nntest holds the tests that every device of nn must pass. A device's own test is one call:
//
//	func TestConformance(t *testing.T) {
//		nntest.Run(t, func(t testing.TB) nn.Device { return mydevice.New() })
//	}
//
// They check each operation's gradient by finite differences over odd shapes, each operation against the reference
// device, the contract of nn.Device and nn.Kernel (every element written, operands left alone, no allocation, the
// same bits twice), and whole training steps of models against golden files made by PyTorch in float64.
package nntest
