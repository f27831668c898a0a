package elastic

import (
	"fmt"

	"ringloom/internal/split"
)

// audit holds what all ranks said to have trained against what there is to train: of each step the positions of its global batch, each
// once.
type audit struct {
	samples, global int // of an epoch, of a step
	steps           map[int]*committed
	problems        []string
}

// committed is a step that some rank has committed.
type committed struct {
	Message
	by    map[string]bool // names
	again int             // samples that another view, or a rank for a second time, has trained
}

func newAudit(samples, global int) *audit {
	return &audit{samples: samples, global: global, steps: map[int]*committed{}}
}

// length is the global batch of a step of an epoch, from 1.
func (a *audit) length(step int) int { return min(a.global, a.samples-(step-1)*a.global) }

func (a *audit) wrong(format string, args ...any) {
	a.problems = append(a.problems, fmt.Sprintf(format, args...))
}

// hear takes a Stepped of a rank.
func (a *audit) hear(name string, m Message) {
	n := m.Total()
	if m.Rank >= len(m.Told) || m.Batch != m.Told[m.Rank] {
		a.wrong("step %d: %s, rank %d, had %d samples, and all have heard of %v", n, name, m.Rank, m.Batch, m.Told)
		return
	}
	c := a.steps[n]
	if c == nil {
		a.steps[n] = &committed{Message: m, by: map[string]bool{name: true}}
		for rank, told := range m.Told {
			if from, to := split.Part(a.length(m.Step), len(m.Told), rank); told != to-from {
				a.wrong("step %d: rank %d of %d had %d samples in place of %d", n, rank, len(m.Told), told, to-from)
			}
		}
		return
	}
	switch {
	case c.by[name]:
		c.again += m.Batch
		a.wrong("step %d: %s has committed it twice", n, name)
	case c.View != m.View:
		c.again += m.Batch
		a.wrong("step %d: committed in view %d, and by %s in view %d", n, c.View, name, m.View)
	case fmt.Sprint(c.Told) != fmt.Sprint(m.Told):
		a.wrong("step %d: %s has heard of %v, and another one of %v", n, name, m.Told, c.Told)
	}
	c.by[name] = true
}

// Audit is the outcome.
type Audit struct {
	Steps    int      `json:"steps"`            // committed
	Epochs   int      `json:"epochs"`           // whole ones
	Lost     int      `json:"samples_lost"`     // positions of steps that nobody trained
	Repeated int      `json:"samples_repeated"` // that were trained more often than once
	Problems []string `json:"problems"`
}

// outcome adds up. A step that is committed in two views counts as repeated, and one that is nowhere as lost.
func (a *audit) outcome() (o Audit) {
	last := 0
	for n, c := range a.steps {
		last = max(last, n)
		told := 0
		for _, t := range c.Told {
			told += t
		}
		o.Lost += max(0, a.length(c.Step)-told)
		o.Repeated += max(0, told-a.length(c.Step)) + c.again
	}
	perEpoch := (a.samples-1)/a.global + 1
	for n := 1; n <= last; n++ {
		if a.steps[n] == nil {
			o.Lost += a.length((n-1)%perEpoch + 1)
			a.wrong("step %d was never committed", n)
		}
	}
	o.Steps, o.Epochs, o.Problems = len(a.steps), last/perEpoch, a.problems
	return o
}
