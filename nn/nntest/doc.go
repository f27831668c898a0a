// Package nntest holds the tests that every device of nn must pass. A device's own test is one call:
//
//	func TestConformance(t *testing.T) {
//		nntest.Run(t, func(t testing.TB) nn.Device { return mydevice.New() })
//	}
//
// They check each operation's gradient by finite differences over odd shapes, its flags against the operations that
// they stand for, and its results against the documented formulas and the reference device, up to the sizes of real
// networks; the contract of nn.Device and nn.Kernel (every element written, gaps and operands left alone, in place as
// apart, no allocation, the same bits twice); and whole training steps of models against golden files made by PyTorch
// in float64. Under -short the real sizes and the large models are left out.
package nntest
