package run

import (
	"slices"
	"testing"
	"time"
)

func TestProcessorsFollowTheSteps(t *testing.T) {
	for name, c := range map[string]struct {
		ranks, cores, threads int
		steps                 []time.Duration
		want                  []int
	}{
		"ranks that do not compute":     {4, 2, 0, []time.Duration{1, 1, 1, 1, 1}, []int{1}},
		"cores to share":                {2, 8, 0, nil, []int{4}},
		"short steps":                   {2, 2, 1, []time.Duration{90, 5, 5, 5, 5, 5, 5}, []int{4, 1}},
		"long steps":                    {2, 2, 1, []time.Duration{90, 80, 90, 80, 90}, []int{4}},
		"free cores":                    {1, 2, 1, []time.Duration{5, 5, 5, 5}, []int{4}},
		"more ranks than cores":         {4, 2, 1, []time.Duration{5, 5, 5}, []int{4, 1}},
		"a slow step among short ones":  {2, 4, 2, []time.Duration{5, 5, 5, 5, 900, 5}, []int{5, 1}},
		"longer, but not by much":       {2, 2, 1, []time.Duration{19, 19, 19, 25, 25, 25}, []int{4, 1}},
		"a larger batch after a little": {2, 2, 1, []time.Duration{5, 5, 5, 50, 50, 50, 50}, []int{4, 1, 4}},
	} {
		var set []int
		now := time.Unix(1, 0)
		p := newProcessors(c.ranks, c.cores, c.threads, func() time.Time { return now }, func(n int) { set = append(set, n) })
		p.step()
		for _, ms := range c.steps {
			now = now.Add(ms * time.Millisecond)
			p.step()
		}
		if !slices.Equal(set, c.want) {
			t.Errorf("%s: %v processors, want %v", name, set, c.want)
		}
	}
}
