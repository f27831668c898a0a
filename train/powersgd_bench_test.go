package train

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
			cfg := DefaultConfig()
			cfg.PowerSGD = rank
			n := shape[0] * shape[1]
			params := &nn.Params{List: []nn.Param{{Layer: "Linear", Kind: "weight", Shape: shape, Len: n}}}
			params.Grads, _ = device.Alloc(n)
			copy(params.Grads.Host, randomMatrix(n, 1))
			residual, _ := device.Alloc(n)
			s, err := newPowerSGD(cfg, 2, device, params, residual, planBuckets(cfg.spans(params.List), cfg.BucketBytes))
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
			begin := func() error { return s.begin(f, 0) }
			finish := func() error { f.finish(); return nil }
			run("begin", begin)
			run("turn", f.turn)
			run("finish", finish)
			run("all", func() error {
				if err := begin(); err != nil {
					return err
				}
				if err := f.turn(); err != nil {
					return err
				}
				return finish()
			})
		}
	}
}
