package measure

import (
	"errors"
	"fmt"

	"ringloom/bench/scaling"
	"ringloom/timeline"
)

// newPoint makes a point of what all ranks recorded in the last steps; the loader starts in the step before.
func newPoint(ranks []timeline.Rank, processes []process, globalBatch, steps int) (scaling.Point, error) {
	byRank := timeline.Breakdown(ranks)
	if len(byRank) == 0 || len(byRank[0]) < steps+1 {
		return scaling.Point{}, fmt.Errorf("the timelines of %d ranks have not all of the %d steps that were taken", len(ranks), steps+1)
	}
	p := scaling.Point{Ranks: len(ranks), ThreadsPerRank: processes[0].Threads, GlobalBatch: globalBatch, Steps: steps}
	slowest := make([]float64, steps)
	for r, all := range byRank {
		measured := all[len(all)-steps:]
		own := make([]float64, steps)
		for i, s := range measured {
			own[i] = s.Total
			slowest[i] = max(slowest[i], s.Total)
		}
		p.PerRank = append(p.PerRank, scaling.RankPoint{
			Rank: r, Node: ranks[r].Node, Parts: meanParts(measured), StepSeconds: median(own), CPUSeconds: processes[r].CPUSeconds,
		})
	}
	p.StepSeconds = median(slowest)
	if p.StepSeconds <= 0 {
		return scaling.Point{}, errors.New("the median step takes no time: the clock cannot measure steps as short as these; raise --batch")
	}
	p.ImagesPerSecond = float64(globalBatch) / p.StepSeconds
	return p, nil
}

// meanParts is where a rank's steps go on average.
func meanParts(steps []timeline.Step) (p scaling.Parts) {
	n := float64(len(steps))
	for _, s := range steps {
		p.Data += s.Data / n
		p.Forward += s.Forward / n
		p.Backward += s.Backward / n
		p.ExposedComm += s.ExposedComm / n
		p.Optimizer += s.Optimizer / n
		p.Other += s.Other / n
		p.HiddenComm += s.HiddenComm / n
		p.Straggler += s.Straggler / n
	}
	return p
}

// buckets are the bytes of each all-reduce of a step in the order in which they start, and the mean fraction of
// backward after which they do; no fractions where backward was too short to tell.
func buckets(events []timeline.Event) (bytes []int64, ready []float64) {
	backward := map[int32]timeline.Event{}
	for _, e := range events {
		if e.Kind == timeline.Backward {
			backward[e.Step] = e
		}
	}
	var sum []float64
	for _, e := range events {
		if e.Kind != timeline.Comm {
			continue
		}
		for int(e.Bucket) >= len(bytes) {
			bytes, sum = append(bytes, 0), append(sum, 0)
		}
		bytes[e.Bucket] = e.Bytes
		if b := backward[e.Step]; b.End > b.Begin {
			sum[e.Bucket] += float64(e.Begin-b.Begin) / float64(b.End-b.Begin)
		}
	}
	n := float64(len(backward))
	floor := 0.0
	for _, s := range sum {
		fraction := min(1, s/n)
		if fraction <= 0 {
			return bytes, nil
		}
		floor = max(floor, fraction) // buckets start in their order
		ready = append(ready, floor)
	}
	return bytes, ready
}
