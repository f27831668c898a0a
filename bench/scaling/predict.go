package scaling

import "fmt"

// Prediction is a step that was not measured. It must never be shown beside measured figures without being named a
// prediction.
type Prediction struct {
	Algorithm  string // Ring, HierarchicalRing or DoubleTree
	Ranks      int
	GroupRanks int // of a node, for HierarchicalRing; else 0
	// ComputeSeconds is the step without the ring, CommSeconds the sum of all its all-reduces, ExposedSeconds the part
	// of them that backward does not hide.
	ComputeSeconds, CommSeconds, ExposedSeconds, StepSeconds float64
	ImagesPerSecond, Efficiency                              float64
}

// Predictions are for weak scaling with powers of two from PredictFrom to PredictTo.
const (
	PredictFrom = 8
	PredictTo   = 4096
)

// Outlook is what the model says of more ranks.
type Outlook struct {
	Problem      string // why there are no predictions; empty where there are
	BaseRanks    int    // the measured point whose compute, batch and images/s per rank are taken
	BaseMode     string
	BatchPerRank float64
	Assumptions  []string
	Predictions  []Prediction
	Checks       []Check
}

// algorithms in the order of predictions.
var algorithms = []string{Ring, HierarchicalRing, DoubleTree}

// byRanks is a row for each number of ranks, with a prediction of each of the algorithms.
func (o *Outlook) byRanks() [][]Prediction {
	n := len(o.Predictions) / len(algorithms)
	rows := make([][]Prediction, n)
	for i, p := range o.Predictions {
		rows[i%n] = append(rows[i%n], p)
	}
	return rows
}

// Check puts the model's step beside a measured one, to show how far the predictions can be trusted. It counts ranks
// that share a machine as they were measured; the predictions do not.
type Check struct {
	Mode                          string
	Ranks                         int
	ModelSeconds, MeasuredSeconds float64
}

// Difference is how far the model is off.
func (c Check) Difference() string { return difference(c.ModelSeconds, c.MeasuredSeconds) }

// worker is a rank's step without the ring.
type worker struct {
	compute, backward float64 // seconds; backward is a part of compute
}

// workerOf takes a rank's mean step, brought to the median that StepSeconds is, without what it waits for the ring.
func workerOf(p *Point, rank Parts) worker {
	f := p.StepSeconds / rank.Total()
	return worker{f * (rank.Total() - rank.ExposedComm), f * rank.Backward}
}

// step is what a rank waits for the ring, and how long all its all-reduces take, where sum is the time of one.
func (s *Study) step(w worker, sum func(bytes float64) float64) (exposed, comm float64) {
	bytes, ready := s.buckets()
	sums := make([]float64, len(bytes))
	for i, b := range bytes {
		sums[i] = sum(b)
		comm += sums[i]
	}
	return overlap(w.backward, ready, sums), comm
}

// predict needs scaled points, the fitted ring, and a breakdown of the base.
func predict(s *Study, scaling []Scaling, fit *Fit) Outlook {
	base := weakBase(scaling)
	out := Outlook{BaseRanks: base.Ranks, BaseMode: base.Mode, BatchPerRank: base.BatchPerRank()}
	switch {
	case !fit.Usable:
		out.Problem = fit.Problem
	case s.GradientBytes == 0:
		out.Problem = "the bytes of the gradients are unknown"
	case len(base.PerRank) == 0:
		out.Problem = "no breakdown of the base's step was measured, so its compute is unknown"
	}
	if out.Problem != "" {
		return out
	}
	link, local := fit.alone()
	intra := link
	if s.IntraHopSeconds > 0 {
		intra.alpha = s.IntraHopSeconds
	}
	if s.IntraSecondsPerByte > 0 {
		intra.beta = s.IntraSecondsPerByte
	}
	group := s.groupRanks()
	w := workerOf(base, base.typical())
	perRank := base.ImagesPerSecond / float64(base.Ranks)
	for _, algorithm := range algorithms {
		for n := PredictFrom; n <= PredictTo; n *= 2 {
			p := Prediction{Algorithm: algorithm, Ranks: n, ComputeSeconds: w.compute}
			p.ExposedSeconds, p.CommSeconds = s.step(w, func(bytes float64) float64 {
				switch algorithm {
				case Ring:
					return ringTime(n, bytes, link) + local*bytes
				case HierarchicalRing:
					return hierarchicalTime(n, group, bytes, intra, link) + local*bytes
				default:
					return doubleTreeTime(n, bytes, link) + local*bytes
				}
			})
			if algorithm == HierarchicalRing {
				p.GroupRanks = group
			}
			p.StepSeconds = w.compute + p.ExposedSeconds
			p.ImagesPerSecond = float64(n) * out.BatchPerRank / p.StepSeconds
			p.Efficiency = p.ImagesPerSecond / float64(n) / perRank
			out.Predictions = append(out.Predictions, p)
		}
	}
	out.Assumptions = s.assumptions(&out, fit, intra != link)
	out.Checks = check(s, scaling, fit)
	return out
}

// weakBase is the base of weak scaling, else that of strong scaling.
func weakBase(scaling []Scaling) *Point {
	for i := range scaling {
		if scaling[i].Mode == Weak {
			return &scaling[i].Point
		}
	}
	return &scaling[0].Point
}

// check models the measured points whose ranks wait for a ring: the slowest rank's work, and the ring.
func check(s *Study, scaling []Scaling, fit *Fit) []Check {
	var out []Check
	for i := range scaling {
		p := &scaling[i].Point
		if p.Ranks < 2 || len(p.PerRank) == 0 {
			continue
		}
		w := workerOf(p, p.slowest())
		exposed, _ := s.step(w, func(bytes float64) float64 { return fit.Seconds(p.Ranks, bytes) })
		out = append(out, Check{p.Mode, p.Ranks, w.compute + exposed, p.StepSeconds})
	}
	return out
}

func (s *Study) assumptions(o *Outlook, fit *Fit, ownIntra bool) []string {
	out := []string{
		fmt.Sprintf("weak scaling: every rank takes %s images per step, and computes as long as at %s of %s scaling", number(o.BatchPerRank), ranks(o.BaseRanks), o.BaseMode),
		"every rank has a machine and a link of its own, as fast as the one measured, and no other traffic disturbs it",
		"no rank is slower than another",
		"all-reduces run one after the other, and none takes cores from backward",
	}
	if s.Emulated {
		out[0] += ", which is an emulated wait"
	}
	switch {
	case len(s.Buckets) == 0:
		out = append(out, "all gradients are summed at once after backward, for no buckets were given")
	case len(s.BucketReady) == 0:
		out = append(out, fmt.Sprintf("the %d buckets are ready at even intervals of backward, the last one at its end", len(s.Buckets)))
	default:
		out = append(out, fmt.Sprintf("the %d buckets are ready when they were in the measurement", len(s.Buckets)))
	}
	if ownIntra {
		out = append(out, fmt.Sprintf("hierarchical ring: nodes of %s, with the given latency and bandwidth inside", ranks(s.groupRanks())))
	} else {
		out = append(out, fmt.Sprintf("hierarchical ring: nodes of %s, with the same link inside and between them", ranks(s.groupRanks())))
	}
	if fit.Form == FormShared {
		out = append(out, "what the measured ranks lost to each other on one machine is taken out")
	}
	return out
}
