package scaling

import (
	"math"
	"slices"
)

// axis maps values to pixels, linearly or by the logarithm, and says where its ticks are.
type axis struct {
	log      bool
	lo, hi   float64 // values at the ends
	from, to float64 // pixels at the ends
	ticks    []tick
}

type tick struct {
	value float64
	label string // may be empty: a line without a label
}

// at is the pixel of a value, which is kept inside the axis.
func (a *axis) at(v float64) float64 {
	f := 0.0
	switch {
	case a.hi == a.lo:
		f = 0.5
	case a.log:
		f = math.Log(v/a.lo) / math.Log(a.hi/a.lo)
	default:
		f = (v - a.lo) / (a.hi - a.lo)
	}
	return a.from + max(0, min(1, f))*(a.to-a.from)
}

// linearAxis is from 0 to the first round tick above the largest value, with about four steps of 1, 2, 2.5 or 5.
func linearAxis(largest float64, label func(float64) string) axis {
	step := roundStep(largest / 4)
	a := axis{}
	for i := 0; ; i++ {
		v := float64(i) * step
		a.ticks = append(a.ticks, tick{v, label(v)})
		a.hi = v
		if v >= largest && i > 0 {
			return a
		}
	}
}

// roundStep is the least of 1, 2, 2.5, 5 times a power of ten that is not below v.
func roundStep(v float64) float64 {
	if v <= 0 {
		return 1
	}
	power := math.Pow(10, math.Floor(math.Log10(v)))
	for _, f := range []float64{1, 2, 2.5, 5} {
		if f*power >= v*(1-1e-9) {
			return f * power
		}
	}
	return 10 * power
}

// ranksAxis is logarithmic, with a tick at each of the values, or at some of them where they are many. Ends have room,
// so that a single value stands in the middle.
func ranksAxis(values []float64, label func(float64) string) axis {
	sorted := slices.Compact(slices.Sorted(slices.Values(values)))
	a := axis{log: true, lo: sorted[0] / math.Pow(2, 0.25), hi: sorted[len(sorted)-1] * math.Pow(2, 0.25)}
	for i, v := range sorted {
		text := label(v)
		// A value too near to the last labelled one gets no label.
		for j := i - 1; j >= 0; j-- {
			if a.ticks[j].label != "" {
				if v/a.ticks[j].value < math.Pow(a.hi/a.lo, 1.0/14) {
					text = ""
				}
				break
			}
		}
		a.ticks = append(a.ticks, tick{v, text})
	}
	return a
}

// powerAxis is logarithmic over the values, from and to a power of the base. It has a tick at every power, and labels
// at eight of them at most.
func powerAxis(values []float64, base float64, label func(float64) string) axis {
	power := func(v float64) float64 { return math.Log(v) / math.Log(base) }
	lo := int(math.Floor(power(slices.Min(values)) + 1e-9))
	hi := int(math.Ceil(power(slices.Max(values)) - 1e-9))
	if hi == lo {
		hi++
	}
	a := axis{log: true, lo: math.Pow(base, float64(lo)), hi: math.Pow(base, float64(hi))}
	every := (hi - lo + 6) / 7
	for i := lo; i <= hi; i++ {
		t := tick{value: math.Pow(base, float64(i))}
		if (i-lo)%every == 0 {
			t.label = label(t.value)
		}
		a.ticks = append(a.ticks, t)
	}
	return a
}

// decadeAxis is logarithmic over the values, with ticks at 1, 2 and 5 times the powers of ten.
func decadeAxis(values []float64, label func(float64) string) axis {
	lo, hi := slices.Min(values), slices.Max(values)
	a := axis{log: true}
	for power := math.Pow(10, math.Floor(math.Log10(lo))); a.hi < hi*(1-1e-9); power *= 10 {
		for _, f := range []float64{1, 2, 5} {
			v := f * power
			if v <= lo*(1+1e-9) {
				a.ticks = nil // a tick nearer to the least value follows
			}
			if a.hi < hi*(1-1e-9) || len(a.ticks) < 2 {
				a.ticks = append(a.ticks, tick{v, label(v)})
				a.hi = v
			}
		}
	}
	a.lo = a.ticks[0].value
	if len(a.ticks) > 7 {
		for i := range a.ticks {
			if d := math.Log10(a.ticks[i].value); math.Abs(d-math.Round(d)) > 1e-9 {
				a.ticks[i].label = ""
			}
		}
	}
	return a
}
