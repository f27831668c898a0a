package scaling

import (
	"fmt"
	"math"
)

// sampleStudy is a study that hangs together: strong and weak points of the given ranks, with all-reduces that follow
// the model of the ring with a little noise.
func sampleStudy(worlds ...int) Study {
	s := Study{
		Model: "googlenet", Device: "oneDNN, AVX-512", Machine: "Xeon at 2.80 GHz", Version: "v1.2-3-gabcdef0", Transport: "nats", Wire: "float32",
		Cores: 8, GradientBytes: 24_000_000, Buckets: []int64{8_000_000, 8_000_000, 8_000_000}, BucketReady: []float64{0.3, 0.7, 1},
	}
	for _, n := range worlds {
		s.Points = append(s.Points, samplePoint(Strong, n, 256), samplePoint(Weak, n, 64*n))
	}
	noise := 1.0
	for _, n := range worlds {
		for bytes := int64(1 << 10); n > 1 && bytes <= 64<<20; bytes *= 8 {
			s.Collectives = append(s.Collectives, Collective{n, bytes, (1 + 0.04*noise) * ringTime(n, float64(bytes), link{40e-6, 0.9e-9})})
			noise = -noise
		}
	}
	return s
}

// samplePoint has 5 ms an image, the last rank a little slower, and a ring that backward hides but for a part.
func samplePoint(mode string, n, batch int) Point {
	p := Point{Ranks: n, ThreadsPerRank: 1, GlobalBatch: batch, Steps: 40, Mode: mode}
	compute := 5e-3 * float64(batch) / float64(n)
	for rank := range n {
		slow := 1.0
		if rank == n-1 && n > 1 {
			slow = 1.06
		}
		exposed := 0.0
		if n > 1 {
			exposed = 12e-3 + 4e-3*math.Log2(float64(n)) + (1.06-slow)*compute
		}
		q := Parts{Data: 0.3e-3, Forward: slow * compute / 3, Backward: slow * compute * 2 / 3, ExposedComm: exposed, Optimizer: 6e-3, Other: 0.8e-3,
			HiddenComm: 1.5 * exposed, Straggler: (1.06 - slow) * compute}
		if n == 1 {
			q.Straggler, q.HiddenComm = 0, 0
		}
		p.PerRank = append(p.PerRank, RankPoint{Rank: rank, Node: fmt.Sprintf("box-%d", 6600+rank), Parts: q, StepSeconds: q.Total(), CPUSeconds: 0.97 * q.Total()})
		p.StepSeconds = max(p.StepSeconds, q.Total())
	}
	p.ImagesPerSecond = float64(batch) / p.StepSeconds
	return p
}

func near(a, b, relative float64) bool {
	return math.Abs(a-b) <= relative*max(math.Abs(a), math.Abs(b))
}
