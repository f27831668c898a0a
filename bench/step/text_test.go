package step

import (
	"strings"
	"testing"
)

func TestWriteText(t *testing.T) {
	r := &Result{
		Model: "lenet", Batch: 256, DeviceInfo: "oneDNN, 2 threads", Precision: "float32", Data: DataReal,
		StepFLOPs: 579e6, ActivationBytes: 11 << 20, FirstLoss: 2.31, LastLoss: 1.25,
		Error: &Error{Images: 8, Logits: 1.3e-6, Gradients: 3e-4, LargestGradient: 2e-3, LargestName: "2.weight"},
		Ops: []Op{
			{Kind: "conv", Geometry: "8x8x8x1 -> 8x8x8x6", Count: 1, Seconds: 2e-3, FLOPs: 200e6},
			{Kind: "conv", Geometry: "8x8x8x6 -> 8x8x8x6", Count: 2, Seconds: 3e-3, FLOPs: 379e6},
			{Kind: "adam", Geometry: "5 elements", Count: 1, Seconds: 4e-3},
		},
	}
	r.Steps, r.RoundSteps = 4, 1
	r.setTimes([]float64{30e-3, 10e-3, 20e-3, 12e-3})
	r.setPeak(200e9)
	rss := int64(100 << 20)
	r.PeakRSSBytes = &rss
	r.Kinds = byKind(r.Ops)
	const want = `lenet, batch 256 of Fashion-MNIST, float32, oneDNN, 2 threads
  images/s    25600 best, 16000 median of 4 steps
  step        10.00 ms best, 16.00 ms median
  arithmetic  0.579 GFLOP per step, 57.9 GFLOP/s, 29% of the measured peak of 200 GFLOP/s
  memory      activations 11.0 MiB, process 100 MiB at its peak
  loss        2.3100 at first, 1.2500 at last
  error       logits 1.3e-06, gradients 3.0e-04; the largest of a parameter 2.0e-03, in 2.weight
              against float64, by the first 8 images of the batch, relative L2

  count      ms   share  GFLOP/s  kind
      3   5.000   50.0%      116  conv
      1   4.000   40.0%           adam
      0   1.000   10.0%           outside of kernels
      4  10.000  100.0%     57.9  the best step

  count      ms   share  GFLOP/s  operation
      1   2.000   20.0%      100  conv 8x8x8x1 -> 8x8x8x6
      2   3.000   30.0%      126  conv 8x8x8x6 -> 8x8x8x6
      1   4.000   40.0%           adam 5 elements
      0   1.000   10.0%           outside of kernels
      4  10.000  100.0%     57.9  the best step
`
	var out strings.Builder
	if err := r.WriteText(&out); err != nil {
		t.Fatal(err)
	}
	if out.String() != want {
		t.Errorf("got\n%s\nwant\n%s", out.String(), want)
	}
	r.PeakFLOPsPerSecond, r.PeakRSSBytes = nil, nil
	r.Traced, r.RoundSteps, r.Steps, r.Ops[0].Kernels = true, 20, 40, []string{"gemm", "bias"}
	out.Reset()
	if err := r.WriteText(&out); err != nil {
		t.Fatal(err)
	}
	for _, says := range []string{"57.9 GFLOP/s, peak unknown", "process unknown at its peak", "median of 40 steps in rounds of 20", "beside kernels run one by one", "8x8x8x6  gemm, bias\n"} {
		if !strings.Contains(out.String(), says) {
			t.Errorf("%q is not in\n%s", says, out.String())
		}
	}
}
