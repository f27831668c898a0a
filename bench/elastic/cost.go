package elastic

import (
	"context"
	"fmt"
	"slices"
)

// Cost is what elasticity costs where nothing fails.
type Cost struct {
	Ranks  int `json:"ranks"`
	Rounds int `json:"rounds"`
	Steps  int `json:"steps"` // of each run
	// Medians over the rounds of a run's median step, in seconds.
	With    float64 `json:"elastic_step_seconds"`
	Without float64 `json:"step_seconds"`
	// Ratio is the one over the other, the quartiles over the rounds.
	Ratio [3]float64 `json:"ratio_quartiles"`
}

// MeasureCost runs jobs of so many steps with and without elasticity in turn, and compares their steps.
func MeasureCost(ctx context.Context, c Config, rounds, steps int) (Cost, error) {
	cost := Cost{Ranks: c.Ranks, Rounds: rounds, Steps: steps}
	var with, without, ratio []float64
	for round := range rounds {
		var took [2]float64
		for turn := range 2 {
			elastic := (round+turn)%2 == 0
			seconds, err := undisturbed(ctx, c, elastic, steps)
			if err != nil {
				return cost, err
			}
			took[map[bool]int{true: 1}[elastic]] = seconds
		}
		c.say("%d ranks, round %d of %d: %.3f ms a step, elastic %.3f ms", c.Ranks, round+1, rounds, 1e3*took[0], 1e3*took[1])
		without, with, ratio = append(without, took[0]), append(with, took[1]), append(ratio, took[1]/took[0])
	}
	cost.With, cost.Without = quantile(with, 0.5), quantile(without, 0.5)
	for i := range cost.Ratio {
		cost.Ratio[i] = quantile(ratio, 0.25*float64(i+1))
	}
	return cost, nil
}

// undisturbed is the median step of a job to which nothing happens, over its ranks.
func undisturbed(ctx context.Context, c Config, elastic bool, steps int) (float64, error) {
	c.Rank.Elastic, c.Rank.MaxSteps = elastic, steps
	d := &drill{fleet: newFleet(c), audit: newAudit(c.Samples, c.Rank.GlobalBatch)}
	defer d.close()
	for i := range c.Ranks {
		join := ""
		if i > 0 {
			join = d.all[0].address
		}
		p, err := d.start(c.Ranks, join)
		if err != nil {
			return 0, err
		}
		p.dies = true
		if err := d.until(ctx, p.name+" can be joined", func() bool { return p.address != "" || p.ended }); err != nil {
			return 0, err
		}
	}
	if err := d.until(ctx, "all ranks end", func() bool { return all(d.all, func(p *process) bool { return p.ended }) }); err != nil {
		return 0, err
	}
	var medians []float64
	for _, p := range d.all {
		if p.code() != 0 || len(p.pace.steps) <= warmUp {
			return 0, fmt.Errorf("%s ended with %d after %d steps: %s", p.name, p.code(), p.pace.last.Total(), p.lastLine())
		}
		medians = append(medians, seconds(median(p.pace.steps[warmUp:])))
	}
	return quantile(medians, 0.5), nil
}

// quantile is the smallest value that at least a share of all do not exceed; NaN of none.
func quantile(values []float64, share float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	at := min(len(sorted)-1, max(0, int(share*float64(len(sorted))+0.999999)-1))
	return sorted[at]
}
