// Package nntest holds the tests that every device must pass. A device's own test is one call:
//
//	func TestConformance(t *testing.T) {
//		nntest.Run(t, func(t testing.TB) op.Device { return mydevice.New() })
//	}
//
// They check each operation's gradient by finite differences over odd shapes, its flags against the operations that
// they stand for, and its results against the documented formulas and the reference device, up to the sizes of real
// networks; and the contract of op.Device and op.Kernel (every element written, gaps and operands left alone, in place
// as apart, no allocation, the same bits twice). Under -short the real sizes are left out. Whole training steps are
// package modelstest's.
package nntest
