package scaling

import (
	"cmp"
	"slices"
)

// Study is what was measured: one job at several numbers of ranks, and all-reduces of several sizes. Times are in
// seconds. Zero means unknown where a field says so.
type Study struct {
	Model     string `json:"model"`     // the network
	Device    string `json:"device"`    // what computes
	Machine   string `json:"machine"`   // the processor's name
	Version   string `json:"version"`   // of the program
	Transport string `json:"transport"` // what carries the ring's frames
	Wire      string `json:"wire"`      // number format on the wire
	Cores     int    `json:"cores"`     // of one machine; 0 unknown
	Hosts     int    `json:"hosts"`     // machines that share the ranks evenly; 0 means 1

	// GradientBytes is what one step sums, as float32 in memory, whatever the wire format; so are Buckets and
	// Collective.Bytes. Beta of the fit is therefore per gradient byte, not per byte on the wire.
	GradientBytes int64 `json:"gradient_bytes"`
	// Buckets are the bytes of each all-reduce of a step, in the order in which backward finishes them. None means one
	// bucket at the end of backward.
	Buckets []int64 `json:"bucket_bytes"`
	// BucketReady is the fraction of backward, in (0, 1], after which each bucket is complete. None means that they
	// are spread evenly, the last one at the end.
	BucketReady []float64 `json:"bucket_ready,omitempty"`

	// Emulated says that a wait of EmulatedStepSeconds stood for forward and backward, so that ranks take no core
	// while they compute.
	Emulated            bool    `json:"emulated"`
	EmulatedStepSeconds float64 `json:"emulated_step_seconds,omitempty"`

	// GroupRanks is the number of ranks of a node in the prediction for the hierarchical ring; 0 means
	// DefaultGroupRanks. IntraHopSeconds and IntraSecondsPerByte are alpha and beta inside a node; 0 means as fitted.
	GroupRanks          int     `json:"group_ranks,omitempty"`
	IntraHopSeconds     float64 `json:"intra_hop_seconds,omitempty"`
	IntraSecondsPerByte float64 `json:"intra_seconds_per_byte,omitempty"`

	Points      []Point      `json:"points"`
	Collectives []Collective `json:"collectives"`
}

// DefaultGroupRanks is the number of devices of a usual GPU node.
const DefaultGroupRanks = 8

// The modes of a point.
const (
	Strong = "strong" // the same global batch at every number of ranks
	Weak   = "weak"   // the same batch per rank
)

// Point is the job at one number of ranks.
type Point struct {
	Ranks           int         `json:"ranks"`
	ThreadsPerRank  int         `json:"threads_per_rank"`
	GlobalBatch     int         `json:"global_batch"` // images per step over all ranks
	Steps           int         `json:"steps"`        // that were measured
	Mode            string      `json:"mode"`         // Strong or Weak
	StepSeconds     float64     `json:"step_seconds"` // median over the steps of the slowest rank of each
	ImagesPerSecond float64     `json:"images_per_second"`
	PerRank         []RankPoint `json:"per_rank"` // of every rank, or none where there is no breakdown
}

// BatchPerRank is the mean number of images that a rank takes a step.
func (p *Point) BatchPerRank() float64 { return float64(p.GlobalBatch) / float64(p.Ranks) }

// RankPoint is one rank of a point.
type RankPoint struct {
	Rank        int     `json:"rank"`
	Node        string  `json:"node"`
	Parts       Parts   `json:"parts"`
	StepSeconds float64 `json:"step_seconds"` // median
	CPUSeconds  float64 `json:"cpu_seconds"`  // of the process per step; 0 unknown
}

// Parts is where a rank's step goes, in mean seconds per step. The first six add up to the step. HiddenComm runs beside
// them, and Straggler is a part of ExposedComm.
type Parts struct {
	Data        float64 `json:"data_seconds"` // waiting for the batch
	Forward     float64 `json:"forward_seconds"`
	Backward    float64 `json:"backward_seconds"`
	ExposedComm float64 `json:"exposed_comm_seconds"` // waiting for the ring after backward
	Optimizer   float64 `json:"optimizer_seconds"`
	Other       float64 `json:"other_seconds"`
	HiddenComm  float64 `json:"hidden_comm_seconds"` // an all-reduce was under way while the rank computed
	Straggler   float64 `json:"straggler_seconds"`   // the slowest rank had not yet handed in its last gradient
}

// Total is the step.
func (p Parts) Total() float64 {
	return p.Data + p.Forward + p.Backward + p.ExposedComm + p.Optimizer + p.Other
}

// compute is the network's own arithmetic.
func (p Parts) compute() float64 { return p.Forward + p.Backward }

// network is what a rank waits for the ring itself, not for a slower rank.
func (p Parts) network() float64 { return max(0, p.ExposedComm-p.Straggler) }

// fixed is the work that does not depend on the batch.
func (p Parts) fixed() float64 { return p.Optimizer + p.Other }

// own is a rank's work before its gradients are complete: what makes it slower or faster than another.
func (p Parts) own() float64 { return p.Data + p.compute() }

// byOwn orders the ranks by their own work, the fastest first.
func (p *Point) byOwn() []RankPoint {
	return slices.SortedStableFunc(slices.Values(p.PerRank), func(a, b RankPoint) int { return cmp.Compare(a.Parts.own(), b.Parts.own()) })
}

// typical is the step of the rank in the middle, of an even number the faster of the two. It shows what all ranks
// suffer; a single slow rank shows as a wait in it. There must be a breakdown.
func (p *Point) typical() Parts { return p.byOwn()[(p.Ranks-1)/2].Parts }

// slowest is the step of the rank that the others wait for.
func (p *Point) slowest() Parts { return p.byOwn()[p.Ranks-1].Parts }

// busyCores is how many cores the processes keep busy on average; 0 where a rank's CPU time is unknown.
func (p *Point) busyCores() float64 {
	sum := 0.0
	for _, r := range p.PerRank {
		if r.CPUSeconds == 0 {
			return 0
		}
		sum += r.CPUSeconds
	}
	return sum / p.StepSeconds
}

// Collective is the median time of an all-reduce of so many bytes over so many ranks.
type Collective struct {
	Ranks   int     `json:"ranks"`
	Bytes   int64   `json:"bytes"`
	Seconds float64 `json:"seconds"`
}

// AlgorithmBandwidth is bytes over time, in bytes per second.
func (c Collective) AlgorithmBandwidth() float64 { return float64(c.Bytes) / c.Seconds }

// BusBandwidth is what a ring moves over each link, as nccl-tests defines it: 2(n-1)/n of the algorithm's.
func (c Collective) BusBandwidth() float64 {
	return c.AlgorithmBandwidth() * 2 * float64(c.Ranks-1) / float64(c.Ranks)
}

// cores is the number over all machines; 0 unknown.
func (s *Study) cores() int { return s.Cores * max(1, s.Hosts) }

func (s *Study) groupRanks() int {
	if s.GroupRanks == 0 {
		return DefaultGroupRanks
	}
	return s.GroupRanks
}
