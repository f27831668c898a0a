package scaling

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
)

// Bottleneck is what limits a point, and what else takes its time.
type Bottleneck struct {
	Mode       string
	Ranks      int
	Base       bool // what the other points of the mode are compared with
	Efficiency float64
	// Limits is the cause of the largest loss first, and those that come near it. It is never empty.
	Limits []Cause
	// Losses are all causes that take time, the largest first.
	Losses []Loss
	// Sentences say it with numbers: what limits, then a sentence for each loss.
	Sentences []string
}

// Text is all sentences in one line.
func (v *Bottleneck) Text() string { return strings.Join(v.Sentences, " ") }

// Loss is the time that a cause takes of a step.
type Loss struct {
	Cause   Cause
	Seconds float64 // of the typical rank's step, the one in the middle by forward and backward
	Share   float64 // of that step
	Text    string  // the numbers behind it
}

// findBottleneck says what limits point i of scaling.
func findBottleneck(study *Study, scaling []Scaling, i int, fit *Fit) Bottleneck {
	p := &scaling[i]
	v := Bottleneck{Mode: p.Mode, Ranks: p.Ranks, Base: p.Ranks == p.BaseRanks, Efficiency: p.Efficiency}
	if len(p.PerRank) == 0 {
		v.Limits = []Cause{Unknown}
		v.Sentences = []string{v.head(), "No breakdown of the step was measured, so the cause is unknown."}
		return v
	}
	s := &situation{study: study, point: &p.Point, step: p.typical(), base: &p.Point, same: sameWork(scaling, &p.Point), fit: fit}
	for j := range scaling {
		if scaling[j].Mode == p.Mode && scaling[j].Ranks == p.BaseRanks {
			s.base = &scaling[j].Point
		}
	}
	total := s.step.Total()
	for _, r := range rules {
		if lost := r.lost(s); lost > 0 {
			v.Losses = append(v.Losses, Loss{r.cause, lost, lost / total, r.says(s)})
		}
	}
	// Equal losses keep the order of the rules, so what rounding makes of them must not count.
	slices.SortStableFunc(v.Losses, func(a, b Loss) int { return cmp.Compare(math.Round(1e9*b.Seconds), math.Round(1e9*a.Seconds)) })
	v.Limits = limits(v.Losses)
	v.Sentences = v.sentences(s)
	return v
}

// limits picks from losses, the largest first.
func limits(losses []Loss) []Cause {
	var out []Cause
	sum, largest := 0.0, 0.0
	for _, l := range losses {
		sum += l.Share
		r := ruleOf(l.Cause)
		if l.Share < r.from {
			continue
		}
		if r.first {
			return []Cause{l.Cause}
		}
		if largest == 0 {
			largest = l.Share
		}
		if l.Share >= tieShare*largest*(1-1e-9) {
			out = append(out, l.Cause)
		}
	}
	if sum < lossesFrom*(1-1e-9) {
		return []Cause{Compute}
	}
	if len(out) == 0 {
		return []Cause{Compute}
	}
	return out
}

func (v *Bottleneck) limitedBy() string {
	if v.Limits[0] == Unknown {
		return "limited by a cause that is unknown"
	}
	return "limited by " + v.names()
}

// names joins the limits.
func (v *Bottleneck) names() string {
	var names []string
	for _, c := range v.Limits {
		names = append(names, string(c))
	}
	return list(names)
}

// advice is that of the first limit; empty for Compute and Unknown.
func (v *Bottleneck) advice() string {
	if r := ruleOf(v.Limits[0]); r != nil {
		return r.advice
	}
	return ""
}

func (v *Bottleneck) head() string {
	if v.Base {
		return fmt.Sprintf("%s, %s: the base of the comparison, %s.", title(v.Mode), ranks(v.Ranks), v.limitedBy())
	}
	return fmt.Sprintf("%s, %s: %s efficiency, %s.", title(v.Mode), ranks(v.Ranks), percent(v.Efficiency), v.limitedBy())
}

func (v *Bottleneck) sentences(s *situation) []string {
	text := []string{v.head()}
	if v.Limits[0] == Compute {
		text = append(text, fmt.Sprintf("Forward and backward are %s of the step, and nothing else takes enough to count.", percent(s.step.compute()/s.step.Total())))
	}
	small := 0.0
	for _, l := range v.Losses {
		if l.Share < mentionShare {
			small += l.Share
			continue
		}
		text = append(text, fmt.Sprintf("%s (%s of the step) for %s: %s.", ms(l.Seconds), percent(l.Share), l.Cause, l.Text))
	}
	if small >= mentionShare {
		text = append(text, fmt.Sprintf("%s of the step for smaller losses together.", percent(small)))
	}
	if s.oversubscribed() && v.Limits[0] != Cores {
		text = append(text, fmt.Sprintf("%s of %s share %s, so waits for the ring and for other ranks are partly waits for a core.",
			title(ranks(s.point.Ranks)), count(s.point.ThreadsPerRank, "thread"), count(s.study.cores(), "core")))
	}
	return text
}
