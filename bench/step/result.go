package step

import (
	"cmp"
	"slices"
)

// Result is what Run measured. The names and units of its JSON form are part of the command's interface:
// docs/bench.md explains them.
type Result struct {
	Model      string `json:"model"`
	Batch      int    `json:"batch"`
	Device     string `json:"device"`
	DeviceInfo string `json:"device_description"`
	Threads    int    `json:"threads"`
	Precision  string `json:"precision"`
	Data       string `json:"data"` // DataReal or DataRandom
	Parameters int    `json:"parameters"`
	Steps      int    `json:"steps"` // measured ones
	// RoundSteps is how many steps were timed at once, where "the best step" is the mean of the best round: 1 where the
	// host computes. On an accelerator a step begins before the one before it has ended.
	RoundSteps int `json:"round_steps"`

	ImagesPerSecond       float64 `json:"images_per_second"` // of the best step
	ImagesPerSecondMedian float64 `json:"images_per_second_median"`
	StepSeconds           float64 `json:"step_seconds"` // of the best step
	StepSecondsMedian     float64 `json:"step_seconds_median"`

	StepFLOPs      int64   `json:"step_flops"`
	FLOPsPerSecond float64 `json:"flops_per_second"` // of the best step
	// PeakFLOPsPerSecond is nil where the device cannot measure it.
	PeakFLOPsPerSecond *float64 `json:"peak_flops_per_second"`
	PeakFraction       *float64 `json:"peak_fraction"`

	ActivationBytes int64 `json:"activation_bytes"`
	// PeakRSSBytes is the largest resident memory of the process so far; nil where the system does not tell.
	PeakRSSBytes *int64 `json:"peak_rss_bytes"`

	FirstLoss float64 `json:"first_loss"` // mean cross-entropy, in nats, of the first warm-up step
	LastLoss  float64 `json:"last_loss"`

	// Error is nil where it was not measured.
	Error *Error `json:"error"`

	// Traced says that Kinds and Ops are those of a step of its own, whose kernels ran one by one: where the step is a
	// whole that the accelerator runs at once, their sum is not StepSeconds.
	Traced bool `json:"traced"`
	// Kinds are the best step's operations by kind, the longest first. The rest of StepSeconds is Go's.
	Kinds []Op `json:"kinds"`
	// Ops are the best step's operations one by one, equal shapes together, in the order of compilation.
	Ops []Op `json:"ops,omitempty"`
}

// The values of Result.Data.
const (
	DataReal   = "Fashion-MNIST"
	DataRandom = "random pixels"
)

// Op is the time that equal operations, or all of a kind, took in the best step.
type Op struct {
	Kind     string  `json:"kind"`
	Geometry string  `json:"geometry,omitempty"`
	Count    int     `json:"count"`
	Seconds  float64 `json:"seconds"`
	FLOPs    int64   `json:"flops"` // of all Count runs; 0 for kinds whose arithmetic is not counted
	// Kernels are the names of those that an accelerator ran for it.
	Kernels []string `json:"kernels,omitempty"`
}

// FLOPsPerSecond is 0 where the arithmetic is not counted.
func (o Op) FLOPsPerSecond() float64 {
	if o.Seconds == 0 {
		return 0
	}
	return float64(o.FLOPs) / o.Seconds
}

// byKind sums operations of one kind, the longest first.
func byKind(ops []Op) []Op {
	var kinds []Op
	for _, o := range ops {
		i := slices.IndexFunc(kinds, func(k Op) bool { return k.Kind == o.Kind })
		if i < 0 {
			i = len(kinds)
			kinds = append(kinds, Op{Kind: o.Kind})
		}
		kinds[i].Count += o.Count
		kinds[i].Seconds += o.Seconds
		kinds[i].FLOPs += o.FLOPs
	}
	slices.SortStableFunc(kinds, func(a, b Op) int { return cmp.Compare(b.Seconds, a.Seconds) })
	return kinds
}

// setTimes fills in what follows from the steps' durations in seconds, or their means over rounds, of which there is at
// least one.
func (r *Result) setTimes(seconds []float64) {
	sorted := slices.Sorted(slices.Values(seconds))
	r.StepSeconds, r.StepSecondsMedian = sorted[0], median(sorted)
	r.ImagesPerSecond = float64(r.Batch) / r.StepSeconds
	r.ImagesPerSecondMedian = float64(r.Batch) / r.StepSecondsMedian
	r.FLOPsPerSecond = float64(r.StepFLOPs) / r.StepSeconds
}

// setPeak compares with the machine's peak.
func (r *Result) setPeak(peak float64) {
	fraction := r.FLOPsPerSecond / peak
	r.PeakFLOPsPerSecond, r.PeakFraction = &peak, &fraction
}

// median is that of sorted values: of an even number the mean of the middle two.
func median(sorted []float64) float64 {
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}
