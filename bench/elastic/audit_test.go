package elastic

import (
	"strings"
	"testing"
)

// said is a step of a rank: 10 samples an epoch, 4 a step.
func said(view uint64, step, rank, batch int, told ...int) Message {
	return Message{Kind: Stepped, View: view, Epoch: (step-1)/3 + 1, Step: (step-1)%3 + 1, Steps: 3, Rank: rank, Batch: batch, Told: told}
}

// Two ranks, of which one dies having done step 2 without a word; the other goes on alone, into a second epoch.
func TestAuditOfADeath(t *testing.T) {
	a := newAudit(10, 4)
	a.hear("a", said(1, 1, 0, 2, 2, 2))
	a.hear("b", said(1, 1, 1, 2, 2, 2))
	a.hear("a", said(1, 2, 0, 2, 2, 2))
	a.hear("a", said(2, 3, 0, 2, 2))
	a.hear("a", said(2, 4, 0, 4, 4))
	if o := a.outcome(); o.Steps != 4 || o.Epochs != 1 || o.Lost != 0 || o.Repeated != 0 || len(o.Problems) > 0 {
		t.Errorf("%+v", o)
	}
}

// What must not be is found, and counted.
func TestAuditFinds(t *testing.T) {
	for name, test := range map[string]struct {
		hear           func(a *audit)
		lost, repeated int
		says           string
	}{
		"a step that is missing":     {func(a *audit) { a.hear("a", said(1, 1, 0, 4, 4)); a.hear("a", said(1, 3, 0, 2, 2)) }, 4, 0, "step 2 was never committed"},
		"a step in two views":        {func(a *audit) { a.hear("a", said(1, 1, 0, 2, 2, 2)); a.hear("b", said(2, 1, 0, 4, 4)) }, 0, 4, "in view 2"},
		"a rank that does it twice":  {func(a *audit) { a.hear("a", said(1, 1, 0, 4, 4)); a.hear("a", said(1, 1, 0, 4, 4)) }, 0, 4, "twice"},
		"a part that is too small":   {func(a *audit) { a.hear("a", said(1, 1, 0, 2, 2, 1)) }, 1, 0, "in place of 2"},
		"a part that is too large":   {func(a *audit) { a.hear("a", said(1, 1, 0, 4, 4, 2)) }, 0, 2, "in place of 2"},
		"what others have not heard": {func(a *audit) { a.hear("a", said(1, 1, 0, 3, 2, 2)) }, 0, 0, "all have heard of"},
	} {
		a := newAudit(10, 4)
		test.hear(a)
		o := a.outcome()
		if o.Lost != test.lost || o.Repeated != test.repeated || !strings.Contains(strings.Join(o.Problems, "\n"), test.says) {
			t.Errorf("%s: %+v", name, o)
		}
	}
}
