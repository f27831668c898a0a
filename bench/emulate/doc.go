// Package emulate is a device that computes nothing and takes as long as if it did: it waits. With it the communication
// of more ranks than a machine has cores can be measured, or of ranks with faster devices than the machine has.
//
//	setting, err := emulate.Parse("100ms:googlenet") // what --emulate-step takes
//	device, err := emulate.New(emulate.Config{Step: setting.Step, Model: model, Batch: 64})
//	worker, err := train.NewWorker(train.Options{Device: device, ...})
//
// # What takes how long
//
// Config.Step is what forward and backward of Config.Batch images take together. It is shared out over the model's
// operations by their arithmetic and their memory traffic (cost.go), so each layer's gradient is there when a real
// device would have it, and its bucket starts then. A smaller batch takes accordingly less, evaluation and the
// optimizer take what they cost on the same scale: the optimizer comes on top of Step, and is a wait too. The optimizer
// is compute, limited by memory: if all ranks of a crowded machine ran it for real, the measurement would show the
// machine and not the ring.
//
// # What is real
//
// Parameters, gradients and the optimizer's state are real memory, and the ring really sums the gradients. The rest of
// the memory is never touched, so that no activation is resident. Every step writes Gradient to the first element of
// each tensor's gradient, and nothing else; after the all-reduce it is Gradient times the number of ranks, by which a
// sum can be checked. Parameters do not change. The loss is that of guessing, ln(classes). The device ignores images
// (IgnoresImages), so training loads none.
//
// # Waiting
//
// A kernel adds its time to what the device owes, and sleeps once that is a millisecond or more. Oversleeping is credit
// for the next kernels, so errors do not add up; at most 5 ms of it counts, because anything longer is a stall of the
// machine. A gradient may thus be handed in up to a millisecond early. The device belongs to one goroutine.
//
// # Testing with it
//
// In a testing/synctest bubble the waits cost no time and are exact.
package emulate
