// Package acceltest is an op.Accelerator in this process's memory, so that what trains on accelerators can be tested
// without one. purego computes; the numbers are its numbers, to the bit.
//
//	device := acceltest.New()
//	defer device.Close()
//
// It is as unforgiving as it can be. Its memory is apart from every mirror: what the host does not bring there, or
// back, is not there. Its queue is lazy: nothing runs before somebody waits, and then no more than what is waited for.
// What package op forbids between a StartPull or StartPush and their end is an error, and a Mark is forgotten early.
// Such an error stays: every later call returns it.
//
// Nothing runs beside anything: there is no goroutine but purego's. A queued step allocates nothing after the first
// few.
package acceltest
