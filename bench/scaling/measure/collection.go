package measure

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"text/tabwriter"

	"ringloom/bench/scaling"
)

// Collection keeps the studies of several numbers of ranks and rounds.
type Collection struct {
	job         scaling.Study // what is common to all; the buckets are those of the most ranks
	most        int           // ranks
	points      map[pointKey]scaling.Point
	collectives map[collectiveKey]float64 // seconds
	rounds      []Round
}

type pointKey struct{ ranks, globalBatch int }

type collectiveKey struct {
	ranks int
	bytes int64
}

// Round is a point as one round measured it. The names and units of its JSON form are part of the command's interface:
// docs/bench.md explains them.
type Round struct {
	Kind            string  `json:"kind"`  // always "round"
	Round           int     `json:"round"` // from 1
	Ranks           int     `json:"ranks"`
	GlobalBatch     int     `json:"global_batch"`
	Steps           int     `json:"steps"`
	StepSeconds     float64 `json:"step_seconds"` // median
	ImagesPerSecond float64 `json:"images_per_second"`
}

// Add adds what Measure returned in a round, counted from 1, or what Study made of it.
func (c *Collection) Add(round int, s scaling.Study) {
	if c.points == nil {
		c.points, c.collectives = map[pointKey]scaling.Point{}, map[collectiveKey]float64{}
	}
	seen := map[pointKey]bool{}
	for _, p := range s.Points {
		key := pointKey{p.Ranks, p.GlobalBatch}
		if seen[key] { // it belongs to two modes
			continue
		}
		seen[key] = true
		c.rounds = append(c.rounds, Round{"round", round, p.Ranks, p.GlobalBatch, p.Steps, p.StepSeconds, p.ImagesPerSecond})
		if best, there := c.points[key]; !there || p.StepSeconds < best.StepSeconds {
			c.points[key] = p
		}
		if p.Ranks >= c.most {
			c.most, c.job = p.Ranks, s
		}
	}
	for _, m := range s.Collectives {
		key := collectiveKey{m.Ranks, m.Bytes}
		if best, there := c.collectives[key]; !there || m.Seconds < best {
			c.collectives[key] = m.Seconds
		}
	}
}

// Batches say which mode a point belongs to: 0 for a mode that was not asked for.
type Batches struct {
	Weak   int // images per rank
	Strong int // images over all ranks
}

// Global are the global batches to measure with so many ranks, each once.
func (b Batches) Global(ranks int) []int {
	var all []int
	if b.Weak > 0 {
		all = append(all, b.Weak*ranks)
	}
	if b.Strong > 0 && !slices.Contains(all, b.Strong) {
		all = append(all, b.Strong)
	}
	return all
}

// Study is the best of all rounds. A point whose batch is that of both modes is in both.
func (c *Collection) Study(b Batches) scaling.Study {
	s := c.job
	s.Points, s.Collectives = nil, nil
	for key, p := range c.points {
		for mode, batch := range map[string]int{scaling.Weak: b.Weak * key.ranks, scaling.Strong: b.Strong} {
			if batch == key.globalBatch {
				p.Mode = mode
				s.Points = append(s.Points, p)
			}
		}
	}
	slices.SortFunc(s.Points, func(a, b scaling.Point) int {
		return cmp.Or(cmp.Compare(a.Mode, b.Mode), cmp.Compare(a.Ranks, b.Ranks))
	})
	for key, seconds := range c.collectives {
		s.Collectives = append(s.Collectives, scaling.Collective{Ranks: key.ranks, Bytes: key.bytes, Seconds: seconds})
	}
	slices.SortFunc(s.Collectives, func(a, b scaling.Collective) int {
		return cmp.Or(cmp.Compare(a.Ranks, b.Ranks), cmp.Compare(a.Bytes, b.Bytes))
	})
	return s
}

// WriteJSON prints a Round a line.
func (c *Collection) WriteJSON(out io.Writer) error {
	e := json.NewEncoder(out)
	for _, r := range c.rounds {
		if err := e.Encode(r); err != nil {
			return err
		}
	}
	return nil
}

// WriteText prints how far the rounds lie apart.
func (c *Collection) WriteText(out io.Writer) error {
	byPoint := map[pointKey][]float64{}
	for _, r := range c.rounds {
		key := pointKey{r.Ranks, r.GlobalBatch}
		byPoint[key] = append(byPoint[key], 1e3*r.StepSeconds)
	}
	keys := make([]pointKey, 0, len(byPoint))
	for key := range byPoint {
		keys = append(keys, key)
	}
	slices.SortFunc(keys, func(a, b pointKey) int {
		return cmp.Or(cmp.Compare(a.ranks, b.ranks), cmp.Compare(a.globalBatch, b.globalBatch))
	})
	fmt.Fprintln(out, "\nrounds: median step ms of each; the best is the point above")
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "ranks\tbatch\tbest\tworst\tspread\t  all, in order")
	for _, key := range keys {
		all := byPoint[key]
		best, worst := slices.Min(all), slices.Max(all)
		fmt.Fprintf(w, "%d\t%d\t%.2f\t%.2f\t%.0f%%\t ", key.ranks, key.globalBatch, best, worst, 100*(worst/best-1))
		for _, ms := range all {
			fmt.Fprintf(w, " %.2f", ms)
		}
		fmt.Fprintln(w)
	}
	return w.Flush()
}
