package scaling

import (
	"cmp"
	"fmt"
	"slices"
)

func (s *situation) coresSay() string {
	cores := count(s.study.cores(), "core")
	if s.ringWork() {
		return fmt.Sprintf("the ring's own work keeps %s of %s busy while compute is only a wait", number(s.point.busyCores()), cores)
	}
	text := fmt.Sprintf("%s of %s share %s", ranks(s.point.Ranks), count(s.point.ThreadsPerRank, "thread"), cores)
	if s.same != nil {
		return text + fmt.Sprintf(", so forward and backward take %s at %s (%s after %s)",
			longer(s.step.compute(), s.same.typical().compute()), ranks(s.same.Ranks), ms(s.step.compute()), ms(s.same.typical().compute()))
	}
	return text + ", so forward and backward take longer than the base's for as many images"
}

// longer compares two times. Nothing has no ratio.
func longer(seconds, usual float64) string {
	if usual == 0 {
		return "longer than"
	}
	return ratio(seconds/usual) + "x as long as"
}

func (s *situation) memorySay() string {
	text := fmt.Sprintf("forward and backward take %s at %s with the same batch per rank (%s after %s): the ranks share memory bandwidth, cache or clock",
		longer(s.step.compute(), s.same.typical().compute()), ranks(s.same.Ranks), ms(s.step.compute()), ms(s.same.typical().compute()))
	if s.busy() {
		text += fmt.Sprintf(", or the ring's own work takes their cores, for %s of %d are busy", number(s.point.busyCores()), s.study.cores())
	}
	return text
}

func (s *situation) batchSay() string {
	text := fmt.Sprintf("%s images per rank cost %s each, %s at %s cost %s",
		number(s.point.BatchPerRank()), ms(s.unslowed()/s.point.BatchPerRank()),
		number(s.base.BatchPerRank()), ranks(s.base.Ranks), ms(s.base.typical().compute()/s.base.BatchPerRank()))
	if s.same == nil && !s.study.Emulated {
		text += "; a weak measurement with this batch per rank would tell it from shared memory"
	}
	return text
}

func (s *situation) fixedSay() string {
	text := fmt.Sprintf("optimizer and other work take %s, at %s %s", ms(s.step.fixed()), ranks(s.base.Ranks), ms(s.base.typical().fixed()))
	if s.shrink() < 1 {
		text += ", and do not shrink with the batch per rank"
	}
	if s.study.Emulated && s.slowed() > 0 {
		text += "; emulated waits end late"
	}
	return text
}

func (s *situation) inputSay() string { return "ranks wait for their batch" }

// ringSays is how long the ring takes in all, as measured.
func (s *situation) ringSays() string {
	return fmt.Sprintf("the ring is under way for %s of the step and hides %s of that behind compute",
		ms(s.step.HiddenComm+s.step.ExposedComm), ms(s.step.HiddenComm))
}

func (s *situation) bandwidthSay() string {
	_, seconds := s.modelled()
	n := float64(s.point.Ranks)
	link, _ := s.fit.alone()
	if s.fit.Form == FormShared {
		link.beta = s.fit.Beta + n*s.fit.Gamma
	}
	text := fmt.Sprintf("each rank moves %s per step", megabytes(2*(n-1)/n*float64(s.study.GradientBytes)))
	if link.beta > 0 {
		text += fmt.Sprintf(" at %s per link", bandwidth(1/link.beta))
	}
	return text + fmt.Sprintf(", by the model %s; %s", ms(seconds), s.ringSays())
}

func (s *situation) latencySay() string {
	seconds, _ := s.modelled()
	bytes, _ := s.study.buckets()
	return fmt.Sprintf("%s of 2 x %s of %s each, by the model %s; %s",
		count(len(bytes), "bucket"), count(s.point.Ranks-1, "hop"), ms(s.fit.Alpha), ms(seconds), s.ringSays())
}

func (s *situation) communicationSay() string {
	return "there is no usable model to tell latency from bandwidth; " + s.ringSays()
}

// alternate is the ratio below which no rank is slow on average.
const evenRatio = 1.03

// stragglersSay names who waits most, for whom, and what that rank is slow at.
func (s *situation) stragglersSay() string {
	own := func(r RankPoint) float64 { return r.Parts.own() }
	share := func(r RankPoint) float64 { return r.Parts.Straggler / r.Parts.Total() }
	ordered := s.point.byOwn()
	slowest := ordered[len(ordered)-1]
	waits := slices.MaxFunc(ordered, func(a, b RankPoint) int { return cmp.Compare(share(a), share(b)) })
	text := fmt.Sprintf("rank %d waits %s of its step for the slowest rank", waits.Rank, percent(share(waits)))
	if own(slowest) < evenRatio*s.others(slowest.Rank, own) || slowest.Rank == waits.Rank {
		return text + "; no rank is slow on average, they take turns"
	}
	type part struct {
		name string
		of   func(RankPoint) float64
	}
	worst, excess, times := part{}, 0.0, 0.0
	for _, p := range []part{
		{"wait for data", func(r RankPoint) float64 { return r.Parts.Data }},
		{"forward", func(r RankPoint) float64 { return r.Parts.Forward }},
		{"backward", func(r RankPoint) float64 { return r.Parts.Backward }},
	} {
		usual := s.others(slowest.Rank, p.of)
		if e := p.of(slowest) - usual; e > excess {
			worst, excess, times = p, e, p.of(slowest)/usual
		}
	}
	text += fmt.Sprintf(", rank %d", slowest.Rank)
	if slowest.Node != "" {
		text += " on " + slowest.Node
	}
	// A part that the others do not have has no ratio.
	if usual := s.others(slowest.Rank, worst.of); usual > 0 {
		return text + fmt.Sprintf(", whose %s takes %sx the others' median (%s after %s)", worst.name, ratio(times), ms(worst.of(slowest)), ms(usual))
	}
	return text + fmt.Sprintf(", whose %s takes %s", worst.name, ms(worst.of(slowest)))
}

// others is the median over the ranks but one.
func (s *situation) others(rank int, of func(RankPoint) float64) float64 {
	var v []float64
	for _, r := range s.point.PerRank {
		if r.Rank != rank {
			v = append(v, of(r))
		}
	}
	if len(v) == 0 {
		return 0
	}
	slices.Sort(v)
	return (v[(len(v)-1)/2] + v[len(v)/2]) / 2
}
