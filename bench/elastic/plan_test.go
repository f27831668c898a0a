package elastic

import (
	"reflect"
	"testing"
)

// A seed gives the same faults again, as many of each kind as were asked for, to every rank.
func TestPlan(t *testing.T) {
	c := Config{Ranks: 4, Kills: 40, Stops: 20, Leaves: 30, Seed: 7}
	plan := Plan(c)
	if !reflect.DeepEqual(plan, Plan(c)) {
		t.Error("the same seed gives two plans")
	}
	kinds, ranks := map[Kind]int{}, map[int]int{}
	for _, f := range plan {
		kinds[f.Kind]++
		ranks[f.Rank]++
		if f.Phase < 0 || f.Phase >= 1 || f.After < 1 {
			t.Errorf("%+v", f)
		}
	}
	if kinds[Kill] != 40 || kinds[Stop] != 20 || kinds[Leave] != 30 || len(ranks) != 4 {
		t.Errorf("kinds %v, ranks %v", kinds, ranks)
	}
	c.Seed = 8
	if reflect.DeepEqual(plan, Plan(c)) {
		t.Error("two seeds give one plan")
	}
	c.Ranks = 2
	for _, f := range Plan(c) {
		if f.Kind == Stop && f.Rank == 0 {
			t.Error("rank 0 of two is stopped, and rank 1 may not go on")
		}
	}
}
