package scaling

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// job makes weak points of one and of n ranks, 100 ms of work each, and lets the test change the latter.
func job(n int, change func(s *Study, p *Point)) Study {
	s := Study{Cores: 16, GradientBytes: 10e6, Buckets: []int64{5e6, 5e6},
		Collectives: measured(Fit{Form: FormRing, Alpha: 20e-6, Beta: 1e-9}, 0, 2, 4)}
	for _, ranks := range []int{1, n} {
		p := Point{Ranks: ranks, ThreadsPerRank: 1, GlobalBatch: 64 * ranks, Steps: 10, Mode: Weak}
		for rank := range ranks {
			p.PerRank = append(p.PerRank, RankPoint{Rank: rank, Node: fmt.Sprintf("box-%d", rank), Parts: Parts{Data: 1e-3, Forward: 30e-3, Backward: 60e-3, Optimizer: 8e-3, Other: 1e-3}})
		}
		if ranks == n {
			change(&s, &p)
		}
		derive(&p)
		s.Points = append(s.Points, p)
	}
	return s
}

// derive makes the point's step and speed follow from its parts.
func derive(p *Point) {
	for i := range p.PerRank {
		r := &p.PerRank[i]
		r.StepSeconds = r.Parts.Total()
		p.StepSeconds = max(p.StepSeconds, r.StepSeconds)
	}
	p.ImagesPerSecond = float64(p.GlobalBatch) / p.StepSeconds
}

// each changes every rank's parts.
func each(p *Point, change func(*Parts)) {
	for i := range p.PerRank {
		change(&p.PerRank[i].Parts)
	}
}

func TestBottleneck(t *testing.T) {
	wait := func(seconds float64) func(*Parts) {
		return func(q *Parts) { q.ExposedComm, q.HiddenComm = seconds, 7e-3 }
	}
	for name, c := range map[string]struct {
		change func(s *Study, p *Point)
		limits []Cause
		says   []string
	}{
		"nothing in the way": {
			func(_ *Study, p *Point) { each(p, wait(2e-3)) },
			[]Cause{Compute},
			[]string{"Weak, 4 ranks: 98% efficiency, limited by compute.", "Forward and backward are 88% of the step", "1.97 ms (1.9% of the step) for bandwidth"},
		},
		"bandwidth": {
			func(_ *Study, p *Point) { each(p, wait(25e-3)) },
			[]Cause{Bandwidth},
			[]string{"80% efficiency, limited by bandwidth", "each rank moves 15 MB per step at 1 GB/s per link, by the model 15 ms",
				"the ring is under way for 32 ms of the step and hides 7 ms of that"},
		},
		"latency": {
			func(s *Study, p *Point) {
				s.GradientBytes, s.Buckets = 100e3, slices.Repeat([]int64{1e3}, 100)
				each(p, wait(15e-3))
			},
			[]Cause{Latency},
			[]string{" for latency: ", "100 buckets of 2 x 3 hops of 20 µs each, by the model 12 ms"},
		},
		"bandwidth and latency alike": {
			// 20 µs per hop are worth 20 kB of a segment, so 80 kB over 4 ranks: a tie, in the order of the table.
			func(s *Study, p *Point) {
				s.GradientBytes, s.Buckets = 80e3, []int64{80e3}
				each(p, wait(20e-3))
			},
			[]Cause{Bandwidth, Latency},
			[]string{"limited by bandwidth and latency"},
		},
		"communication without all-reduces": {
			func(s *Study, p *Point) {
				s.Collectives = nil
				each(p, wait(25e-3))
			},
			[]Cause{Communication},
			[]string{"25 ms (20% of the step) for communication: there is no usable model"},
		},
		"a slow rank": {
			func(_ *Study, p *Point) {
				for i := range p.PerRank {
					q := &p.PerRank[i].Parts
					if i == 1 {
						q.Backward *= 1.4
					} else {
						q.ExposedComm, q.Straggler = 24e-3, 24e-3
					}
				}
			},
			[]Cause{Stragglers},
			[]string{"rank 0 waits 19% of its step for the slowest rank, rank 1 on box-1, whose backward takes 1.40x the others' median (84 ms after 60 ms)"},
		},
		"a rank that lacks data": {
			func(_ *Study, p *Point) {
				for i := range p.PerRank {
					q := &p.PerRank[i].Parts
					q.Data = 0
					if i == 3 {
						q.Data = 30e-3
					} else {
						q.ExposedComm, q.Straggler = 30e-3, 30e-3
					}
				}
			},
			[]Cause{Stragglers},
			[]string{"rank 3 on box-3, whose wait for data takes 30 ms"},
		},
		"ranks that take turns": {
			func(_ *Study, p *Point) { each(p, func(q *Parts) { q.ExposedComm, q.Straggler = 15e-3, 15e-3 }) },
			[]Cause{Stragglers},
			[]string{"no rank is slow on average, they take turns"},
		},
		"more threads than cores": {
			func(s *Study, p *Point) {
				s.Cores = 2
				each(p, func(q *Parts) { q.Forward, q.Backward = 60e-3, 120e-3 })
			},
			[]Cause{Cores},
			[]string{"4 ranks of 1 thread share 2 cores, so forward and backward take 2.00x as long as at 1 rank (180 ms after 90 ms)"},
		},
		"more threads than cores before a larger wait": {
			func(s *Study, p *Point) {
				s.Cores = 2
				each(p, func(q *Parts) { q.Forward, q.ExposedComm = 60e-3, 200e-3 })
			},
			[]Cause{Cores},
			[]string{"for bandwidth: "},
		},
		"more threads than cores that do not slow": {
			func(s *Study, p *Point) {
				s.Cores = 2
				each(p, wait(25e-3))
			},
			[]Cause{Bandwidth},
			[]string{"partly waits for a core"},
		},
		"cores of several machines": {
			func(s *Study, p *Point) {
				s.Cores, s.Hosts = 2, 2
				each(p, func(q *Parts) { q.Forward, q.Backward = 60e-3, 120e-3 })
			},
			[]Cause{SharedMemory},
			nil,
		},
		"shared memory": {
			func(_ *Study, p *Point) { each(p, func(q *Parts) { q.Forward, q.Backward = 39e-3, 78e-3 }) },
			[]Cause{SharedMemory},
			[]string{"27 ms (21% of the step) for shared memory: forward and backward take 1.30x as long as at 1 rank with the same batch per rank (117 ms after 90 ms)"},
		},
		"shared memory or busy cores": {
			func(s *Study, p *Point) {
				s.Cores = 4
				each(p, func(q *Parts) { q.Backward = 90e-3 })
				for i := range p.PerRank {
					p.PerRank[i].CPUSeconds = 0.13
				}
			},
			[]Cause{SharedMemory},
			[]string{"or the ring's own work takes their cores, for 4 of 4 are busy"},
		},
		"the ring's work on the cores of an emulation": {
			func(s *Study, p *Point) {
				s.Cores, s.Emulated, s.EmulatedStepSeconds = 2, true, 90e-3
				each(p, wait(50e-3))
				for i := range p.PerRank {
					p.PerRank[i].CPUSeconds = 73e-3
				}
			},
			[]Cause{Cores},
			[]string{"the ring's own work keeps 1.95 of 2 cores busy while compute is only a wait"},
		},
		"an emulation with idle cores": {
			func(s *Study, p *Point) {
				s.Cores, s.Emulated, s.EmulatedStepSeconds = 2, true, 90e-3
				each(p, wait(50e-3))
			},
			[]Cause{Bandwidth},
			nil,
		},
		"emulated waits that end late": {
			func(s *Study, p *Point) {
				s.Emulated, s.EmulatedStepSeconds = true, 90e-3
				each(p, func(q *Parts) { q.Backward = 90e-3 })
			},
			[]Cause{FixedWork},
			[]string{"emulated waits end late"},
		},
		"input": {
			func(_ *Study, p *Point) { each(p, func(q *Parts) { q.Data = 20e-3 }) },
			[]Cause{Input},
			[]string{"20 ms (17% of the step) for input"},
		},
		"no breakdown": {
			func(_ *Study, p *Point) {
				each(p, wait(25e-3))
				derive(p)
				p.PerRank = nil
			},
			[]Cause{Unknown},
			[]string{"the cause is unknown"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := Analyse(job(4, c.change))
			if err != nil {
				t.Fatal(err)
			}
			v := r.bottleneck(Weak, 4)
			if !slices.Equal(v.Limits, c.limits) {
				t.Errorf("limits %q, want %q\n%s", v.Limits, c.limits, v.Text())
			}
			for _, says := range c.says {
				if !strings.Contains(v.Text(), says) {
					t.Errorf("%q is not in %q", says, v.Text())
				}
			}
			if base := r.bottleneck(Weak, 1); !slices.Equal(base.Limits, []Cause{Compute}) {
				t.Errorf("the base is limited by %q", base.Limits)
			}
		})
	}
}

// strong makes the point of n ranks one of strong scaling, with parts as they would be if all were perfect.
func strong(n int, change func(p *Point)) Study {
	s := job(n, func(_ *Study, p *Point) {
		p.GlobalBatch = 64
		each(p, func(q *Parts) {
			q.Data, q.Forward, q.Backward, q.Optimizer, q.Other = 1e-3/float64(n), 30e-3/float64(n), 60e-3/float64(n), 8e-3/float64(n), 1e-3/float64(n)
		})
		change(p)
	})
	s.Points[0].Mode, s.Points[1].Mode = Strong, Strong
	return s
}

func TestBottleneckOfStrongScaling(t *testing.T) {
	for name, c := range map[string]struct {
		study  Study
		limits []Cause
		says   string
	}{
		"perfect":    {strong(4, func(*Point) {}), []Cause{Compute}, "100% efficiency"},
		"fixed work": {strong(4, func(p *Point) { each(p, func(q *Parts) { q.Optimizer, q.Other = 8e-3, 1e-3 }) }), []Cause{FixedWork}, "optimizer and other work take 9 ms, at 1 rank 9 ms, and do not shrink"},
		"small batch": {strong(4, func(p *Point) { each(p, func(q *Parts) { q.Backward = 24e-3 }) }), []Cause{SmallBatch},
			"16 images per rank cost 1.97 ms each, 64 at 1 rank cost 1.41 ms; a weak measurement"},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := Analyse(c.study)
			if err != nil {
				t.Fatal(err)
			}
			v := r.bottleneck(Strong, 4)
			if !slices.Equal(v.Limits, c.limits) || !strings.Contains(v.Text(), c.says) {
				t.Errorf("limits %q, want %q; %q, want %q", v.Limits, c.limits, v.Text(), c.says)
			}
		})
	}
}

func TestAWeakPointTellsASmallBatchFromSharedMemory(t *testing.T) {
	s := strong(4, func(p *Point) { each(p, func(q *Parts) { q.Forward, q.Backward = 12e-3, 24e-3 }) })
	// One rank with the 16 images of each of the four takes 24 ms for them, not a quarter of 90.
	weak := Point{Ranks: 1, ThreadsPerRank: 1, GlobalBatch: 16, Steps: 1, Mode: Weak,
		PerRank: []RankPoint{{Parts: Parts{Forward: 8e-3, Backward: 16e-3, Optimizer: 2e-3}}}}
	derive(&weak)
	s.Points = append(s.Points, weak)
	r, err := Analyse(s)
	if err != nil {
		t.Fatal(err)
	}
	v := r.bottleneck(Strong, 4)
	lost := map[Cause]float64{}
	for _, l := range v.Losses {
		lost[l.Cause] = l.Seconds
	}
	if !near(lost[SharedMemory], 12e-3, 1e-9) || !near(lost[SmallBatch], 1.5e-3, 1e-9) {
		t.Errorf("losses %v", v.Losses)
	}
}

func TestSinglePoint(t *testing.T) {
	s := job(4, func(_ *Study, p *Point) { each(p, func(q *Parts) { q.ExposedComm = 25e-3 }) })
	s.Points = s.Points[1:]
	r, err := Analyse(s)
	if err != nil {
		t.Fatal(err)
	}
	// A wait is a wait, also at the only point.
	if v := r.bottleneck(Weak, 4); !slices.Equal(v.Limits, []Cause{Bandwidth}) {
		t.Errorf("limits %q", v.Limits)
	}
	if !strings.Contains(r.Summary[0], "only 4 ranks measured, so there is nothing to compare; limited by bandwidth") {
		t.Errorf("summary %q", r.Summary)
	}
	if !strings.Contains(strings.Join(r.Notes, " "), "no point of 1 rank: 4 ranks count as perfect") {
		t.Errorf("notes %q", r.Notes)
	}
}

func TestLimits(t *testing.T) {
	for name, c := range map[string]struct {
		losses []Loss
		want   []Cause
	}{
		"none":                   {nil, []Cause{Compute}},
		"too little":             {[]Loss{{Cause: SharedMemory, Share: 0.03}, {Cause: Input, Share: 0.019}}, []Cause{Compute}},
		"enough":                 {[]Loss{{Cause: SharedMemory, Share: 0.03}, {Cause: Input, Share: 0.02}}, []Cause{SharedMemory}},
		"one that suffices":      {[]Loss{{Cause: SharedMemory, Share: lossesFrom}}, []Cause{SharedMemory}},
		"many crumbs":            {[]Loss{{Cause: SharedMemory, Share: 0.018}, {Cause: Input, Share: 0.018}, {Cause: Bandwidth, Share: 0.018}}, []Cause{Compute}},
		"one larger":             {[]Loss{{Cause: Input, Share: 0.2}, {Cause: Bandwidth, Share: 0.15}}, []Cause{Input}},
		"one near":               {[]Loss{{Cause: Input, Share: 0.2}, {Cause: Bandwidth, Share: 0.16}}, []Cause{Input, Bandwidth}},
		"cores come first":       {[]Loss{{Cause: Input, Share: 0.2}, {Cause: Cores, Share: coresFrom}}, []Cause{Cores}},
		"cores that do not slow": {[]Loss{{Cause: Input, Share: 0.2}, {Cause: Cores, Share: 0.04}}, []Cause{Input}},
	} {
		if got := limits(c.losses); !slices.Equal(got, c.want) {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
	}
}

func TestSummarySaysWhereTheLimitSetsIn(t *testing.T) {
	s := job(4, func(_ *Study, p *Point) { each(p, func(q *Parts) { q.ExposedComm = 25e-3 }) })
	eight := job(8, func(_ *Study, p *Point) { each(p, func(q *Parts) { q.ExposedComm = 40e-3 }) }).Points[1]
	s.Points = append(s.Points, eight)
	r, err := Analyse(s)
	if err != nil {
		t.Fatal(err)
	}
	want := "Weak scaling: 8 ranks are 5.71x as fast as 1 rank (71% efficiency), limited by bandwidth, which sets in at 4 ranks. A smaller wire format"
	if !strings.HasPrefix(r.Summary[0], want) {
		t.Errorf("got %q, want %q", r.Summary[0], want)
	}
	if !strings.HasPrefix(r.Summary[1], "Prediction: a ring ") {
		t.Errorf("got %q", r.Summary[1])
	}
}
