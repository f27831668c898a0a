package scaling

// situation is a point with all that the rules compare it with.
type situation struct {
	study *Study
	point *Point
	step  Parts // of the typical rank
	base  *Point
	// same is the point with fewer ranks whose ranks do the same work; nil where there is none.
	same *Point
	fit  *Fit
}

// shrink is the batch per rank over the base's: 1 in weak scaling.
func (s *situation) shrink() float64 { return s.point.BatchPerRank() / s.base.BatchPerRank() }

// isBase has nothing before it to be compared with.
func (s *situation) isBase() bool { return s.base == s.point || len(s.base.PerRank) == 0 }

// oversubscribed is true where the ranks' threads want more cores than there are.
func (s *situation) oversubscribed() bool {
	cores := s.study.cores()
	return !s.study.Emulated && cores > 0 && s.point.Ranks*s.point.ThreadsPerRank > cores
}

// busy is true where the processes' CPU time takes up the cores.
func (s *situation) busy() bool {
	cores := s.study.cores()
	return cores > 0 && s.point.busyCores() >= saturated*float64(cores)
}

// ringWork is true where compute takes no core and the cores are busy all the same: the ring's own work limits it.
func (s *situation) ringWork() bool { return s.study.Emulated && s.busy() }

// slowed is how much longer forward and backward take than those of a rank that does the same work among fewer ranks.
func (s *situation) slowed() float64 {
	if s.same == nil {
		return 0
	}
	return max(0, s.step.compute()-s.same.typical().compute())
}

// unscaled is how much longer forward and backward take than the base's, scaled to the batch of a rank, beyond what
// slowed explains.
func (s *situation) unscaled() float64 {
	if s.isBase() || s.shrink() == 1 {
		return 0
	}
	return max(0, s.unslowed()-s.shrink()*s.base.typical().compute())
}

// unslowed is forward and backward without what slowed explains.
func (s *situation) unslowed() float64 { return s.step.compute() - s.slowed() }

func (s *situation) coresLost() float64 {
	switch {
	case s.ringWork():
		return s.step.network() + s.slowed()
	case s.oversubscribed() && s.same == nil:
		// Without a point of the same work, a small batch cannot be told from a share of a core; the latter explains
		// more.
		return s.unscaled()
	case s.oversubscribed():
		return s.slowed()
	}
	return 0
}

func (s *situation) memoryLost() float64 {
	if s.oversubscribed() || s.study.Emulated {
		return 0
	}
	return s.slowed()
}

func (s *situation) batchLost() float64 {
	if s.oversubscribed() && s.same == nil {
		return 0
	}
	return s.unscaled()
}

func (s *situation) stragglersLost() float64 { return s.step.Straggler }

func (s *situation) bandwidthLost() float64 {
	if s.ringWork() || !s.fit.Usable {
		return 0
	}
	return s.step.network() * (1 - s.latencyShare())
}

func (s *situation) latencyLost() float64 {
	if s.ringWork() || !s.fit.Usable {
		return 0
	}
	return s.step.network() * s.latencyShare()
}

func (s *situation) communicationLost() float64 {
	if s.ringWork() || s.fit.Usable {
		return 0
	}
	return s.step.network()
}

func (s *situation) fixedLost() float64 {
	if s.isBase() {
		return 0
	}
	lost := max(0, s.step.fixed()-s.shrink()*s.base.typical().fixed())
	if s.study.Emulated && !s.busy() {
		lost += s.slowed() // a wait that ends late is the machine's doing, not memory's
	}
	return lost
}

func (s *situation) inputLost() float64 { return s.step.Data }

// latencyShare is the part of the model's time for all buckets of a step that hops make.
func (s *situation) latencyShare() float64 {
	latency, bandwidth := s.modelled()
	if latency+bandwidth == 0 {
		return 0
	}
	return latency / (latency + bandwidth)
}

// modelled is the model's time of a step's all-reduces, by term.
func (s *situation) modelled() (latency, bandwidth float64) {
	bytes, _ := s.study.buckets()
	for _, b := range bytes {
		l, w := s.fit.terms(s.point.Ranks, b)
		latency += l
		bandwidth += w
	}
	return latency, bandwidth
}
