package gradsync

import (
	"fmt"
	"testing"

	"ringloom/nn"
	"ringloom/nn/onednn"
	"ringloom/nn/op"
	"ringloom/nn/purego"
)

// BenchmarkPowerSGD is what a rank computes for the largest weights of alexnet, on one thread: all but the way of the
// factors. MB/s is gradient bytes a second, to be compared with those that the ring would have to move.
func BenchmarkPowerSGD(b *testing.B) {
	for _, shape := range [][]int{{4096, 6400}, {4096, 4096}} {
		for _, rank := range []int{1, 2, 4, 8} {
			var device op.Device = purego.New()
			if onednn.Available() == nil {
				var err error
				if device, err = onednn.New(onednn.Options{Threads: 1}); err != nil {
					b.Fatal(err)
				}
			}
			defer device.Close()
			cfg := Config{WorldSize: 2, PowerSGD: rank}
			n := shape[0] * shape[1]
			params := &nn.Params{List: []nn.Param{{Layer: "Linear", Kind: "weight", Shape: shape, Len: n}}}
			params.Grads, _ = device.Alloc(n)
			copy(params.Grads.Host, randomMatrix(n, 1))
			plan := NewPlan(cfg, params.List)
			left, err := newResiduals(device, n, plan)
			if err != nil {
				b.Fatal(err)
			}
			s, err := newPowerSGD(cfg, device, params, left, plan)
			if err != nil {
				b.Fatal(err)
			}
			f := s.matrices[0]
			run := func(name string, stage func() error) {
				b.Run(fmt.Sprintf("%dx%d/rank %d/%s/%s", shape[0], shape[1], rank, device.Name(), name), func(b *testing.B) {
					b.SetBytes(int64(4 * n))
					for b.Loop() {
						if err := stage(); err != nil {
							b.Fatal(err)
						}
					}
				})
			}
			project := func() error { return s.project(f, 0, left) }
			expand := func() error { f.expand(1); return nil }
			run("project", project)
			run("backProject", f.backProject)
			run("expand", expand)
			run("all", func() error {
				if err := project(); err != nil {
					return err
				}
				if err := f.backProject(); err != nil {
					return err
				}
				return expand()
			})
		}
	}
}
