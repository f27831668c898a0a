package allreduce_test

import (
	"errors"
	"math"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"

	"ringloom/allreduce"
	"ringloom/allreduce/allreducetest"
)

func TestAllGatherJSONGivesEveryRankAllValues(t *testing.T) {
	type report struct {
		Rank int
		Loss float64
		Note string `json:",omitempty"`
	}
	synctest.Test(t, func(t *testing.T) {
		const size = 3
		groups, _ := allreducetest.Groups(testConfig(size), allreducetest.Faults{})
		defer allreducetest.CloseAll(groups)
		want := []report{{0, 0.1, ""}, {1, 0.2, "a"}, {2, 0.30000000000000004, "aa"}}
		got := make([][]report, size)
		noErrors(t, allreducetest.Run(groups, func(g *allreduce.Group) (err error) {
			got[g.Rank()], err = allreduce.AllGatherJSON(t.Context(), g, want[g.Rank()])
			return err
		}))
		for rank := range got {
			if !reflect.DeepEqual(got[rank], want) {
				t.Errorf("rank %d has %+v", rank, got[rank])
			}
		}
	})
}

func TestAllGatherJSONNamesTheRankThatSentSomethingElse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		groups, _ := allreducetest.Groups(testConfig(3), allreducetest.Faults{})
		defer allreducetest.CloseAll(groups)
		errs := allreducetest.Run(groups, func(g *allreduce.Group) error {
			if g.Rank() == 1 {
				_, err := g.AllGatherBytes(t.Context(), []byte(`{"seconds":`))
				return err
			}
			_, err := allreduce.AllGatherJSON(t.Context(), g, 1.5)
			return err
		})
		for _, rank := range []int{0, 2} {
			if errs[rank] == nil || !strings.Contains(errs[rank].Error(), "rank 1") {
				t.Errorf("rank %d: %v", rank, errs[rank])
			}
		}
		if errs[1] != nil {
			t.Error(errs[1])
		}
	})
}

func TestAllGatherJSONRefusesWhatJSONCannotHold(t *testing.T) {
	cfg := testConfig(1)
	cfg.Alone = true
	g, err := allreduce.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	_, err = allreduce.AllGatherJSON(t.Context(), g, math.NaN())
	if closed := g.Close(); err == nil || closed != nil || errors.Is(err, allreduce.ErrClosed) {
		t.Errorf("%v, %v", err, closed)
	}
}
