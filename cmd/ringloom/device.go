package main

import (
	"fmt"

	"ringloom/nn"
	"ringloom/nn/onednn"
	"ringloom/nn/purego"
)

const deviceHelp = "auto, cpu (oneDNN), cuda or purego (slow reference); auto takes the fastest that this binary has"

// openDevice opens the device called name; kernels is the value of --deterministic-kernels. A device asked for by name
// is never replaced by another.
func openDevice(name string, threads int, kernels string) (device nn.Device, note string, err error) {
	switch name {
	case "auto":
		if err := onednn.Available(); err != nil {
			return purego.New(), "using the slow reference device purego: " + err.Error(), nil
		}
		fallthrough
	case "cpu":
		if err := onednn.Available(); err != nil {
			return nil, "", usageError{fmt.Errorf("--device cpu: %w", err)}
		}
		device, err = onednn.New(onednn.Options{Threads: threads, Direct: kernels == kernelsDirect})
		return device, "", err
	case "purego":
		return purego.New(), "", nil
	case "cuda":
		return nil, "", usageError{fmt.Errorf("--device cuda: this binary was built without CUDA; choose cpu or purego")}
	}
	return nil, "", usageError{fmt.Errorf("--device %q: choose one of auto, cpu, cuda, purego", name)}
}
