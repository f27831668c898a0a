package scaling

import (
	"fmt"
	"math"
)

// Forms of the model. T is the time of an all-reduce of B bytes over N ranks.
const (
	FormRing   = "2(N-1)(alpha + beta B/N)"
	FormLocal  = FormRing + " + gamma B"        // bytes that a rank handles beside the ring, copies above all
	FormShared = FormRing + " + 2(N-1) gamma B" // the ranks share one machine's memory or cores: each byte costs N gamma more
)

// How good a fit is, by its relative residual.
const (
	FitGood = "good" // to 15%
	FitFair = "fair" // to 40%
	FitPoor = "poor" // above: nothing is predicted with it
)

const (
	goodResidual, fairResidual = 0.15, 0.40
	// A third term is tried from this number of points on, where two terms leave more than thirdTermFrom, and taken
	// where it leaves less than thirdTermGain of that.
	thirdTermPoints              = 6
	thirdTermFrom, thirdTermGain = 0.02, 0.80
)

// Fit is Hockney's model of the ring, fitted to the all-reduces of two ranks and more by least squares of the relative
// error, with no parameter below 0.
type Fit struct {
	// Usable says that there is a model to predict with. Problem says why not, or what makes it doubtful.
	Usable  bool
	Problem string
	Quality string // FitGood, FitFair or FitPoor; empty where nothing could be fitted
	Form    string
	// Alpha is seconds per hop, Beta seconds per byte over a link, Gamma seconds per byte of the form's third term.
	Alpha, Beta, Gamma float64
	Points             int
	Sizes, Worlds      int     // different sizes, different numbers of ranks
	RelativeResidual   float64 // root of the mean squared relative error, over points less parameters
	WorstError         float64 // largest relative error of a point
	R2                 float64 // of the relative errors: 1 is perfect, 0 no better than one time for all
}

// Bandwidth is one over Beta, in bytes per second; 0 where Beta is 0.
func (f *Fit) Bandwidth() float64 {
	if f.Beta == 0 {
		return 0
	}
	return 1 / f.Beta
}

// HalfBytes is Hockney's n-half: a message of that size spends half of its time on latency. 0 where Beta is 0.
func (f *Fit) HalfBytes() float64 { return f.Alpha * f.Bandwidth() }

// Seconds is the model's time of an all-reduce as it was measured, ranks that share a machine included.
func (f *Fit) Seconds(ranks int, bytes float64) float64 {
	latency, bandwidth := f.terms(ranks, bytes)
	return latency + bandwidth
}

// terms are the parts of Seconds that alpha and that the bytes make.
func (f *Fit) terms(ranks int, bytes float64) (latency, bandwidth float64) {
	x := f.features(ranks, bytes)
	return f.Alpha * x[0], f.Beta*x[1] + f.Gamma*x[2]
}

// features are what alpha, beta and gamma are multiplied with.
func (f *Fit) features(ranks int, bytes float64) [3]float64 {
	n := float64(ranks)
	x := [3]float64{2 * (n - 1), 2 * (n - 1) * bytes / n, 0}
	switch f.Form {
	case FormLocal:
		x[2] = bytes
	case FormShared:
		x[2] = 2 * (n - 1) * bytes
	}
	return x
}

// alone is the link, and the seconds per byte beside it, of ranks that each have a machine of their own.
func (f *Fit) alone() (l link, local float64) {
	l = link{f.Alpha, f.Beta}
	switch f.Form {
	case FormLocal:
		local = f.Gamma
	case FormShared:
		l.beta += f.Gamma
	}
	return l, local
}

// fitRing finds the model.
func fitRing(collectives []Collective) Fit {
	var used []Collective
	sizes, worlds := map[int64]bool{}, map[int]bool{}
	for _, c := range collectives {
		if c.Ranks < 2 {
			continue
		}
		used = append(used, c)
		sizes[c.Bytes], worlds[c.Ranks] = true, true
	}
	empty := Fit{Points: len(used), Sizes: len(sizes), Worlds: len(worlds)}
	switch {
	case len(used) == 0:
		empty.Problem = "no all-reduce of two ranks or more was measured, so latency and bandwidth are unknown"
		return empty
	case len(used) < 3 || len(sizes) < 2:
		empty.Problem = fmt.Sprintf("too few all-reduces to tell latency from bandwidth: %d measured, of %d sizes; at least 3 of 2 sizes are needed",
			len(used), len(sizes))
		return empty
	}
	best := fitForm(empty, used, FormRing)
	if len(used) >= thirdTermPoints && best.RelativeResidual > thirdTermFrom {
		two := best.RelativeResidual
		for _, form := range []string{FormLocal, FormShared} {
			// With a single number of ranks the third term is beta's again.
			f := fitForm(empty, used, form)
			if len(worlds) > 1 && f.Gamma > 0 && f.RelativeResidual < thirdTermGain*two && f.RelativeResidual < best.RelativeResidual {
				best = f
			}
		}
	}
	best.grade()
	return best
}

// grade says how far the fit can be trusted.
func (f *Fit) grade() {
	f.Usable = true
	switch {
	case f.RelativeResidual > fairResidual:
		f.Usable, f.Quality = false, FitPoor
		f.Problem = fmt.Sprintf("the model does not describe the measurements: it misses them by %.0f%%, the worst by %.0f%%",
			100*f.RelativeResidual, 100*f.WorstError)
		return
	case f.RelativeResidual > goodResidual:
		f.Quality = FitFair
		f.Problem = fmt.Sprintf("the model misses the measurements by %.0f%%: take predictions as rough", 100*f.RelativeResidual)
	default:
		f.Quality = FitGood
	}
	switch {
	case f.Alpha == 0:
		f.Problem = join(f.Problem, "no latency shows in the sizes measured: measure smaller ones to learn it")
	case f.Beta+f.Gamma == 0:
		f.Problem = join(f.Problem, "no bandwidth shows in the sizes measured: measure larger ones to learn it")
	}
}

func join(a, b string) string {
	if a == "" {
		return b
	}
	return a + "; " + b
}

// fitForm fits one form and fills in how well it does.
func fitForm(f Fit, used []Collective, form string) Fit {
	f.Form = form
	rows := make([][3]float64, len(used))
	for i, c := range used {
		x := f.features(c.Ranks, float64(c.Bytes))
		for j := range x {
			rows[i][j] = x[j] / c.Seconds
		}
	}
	p := nonNegative(rows)
	f.Alpha, f.Beta, f.Gamma = p[0], p[1], p[2]
	squares, inverse, inverse2 := 0.0, 0.0, 0.0
	for _, c := range used {
		e := f.Seconds(c.Ranks, float64(c.Bytes))/c.Seconds - 1
		squares += e * e
		f.WorstError = max(f.WorstError, math.Abs(e))
		inverse += 1 / c.Seconds
		inverse2 += 1 / (c.Seconds * c.Seconds)
	}
	parameters := 2
	if form != FormRing {
		parameters = 3
	}
	n := len(used)
	f.RelativeResidual = math.Sqrt(squares / float64(max(1, n-parameters)))
	// One time for all, the best in relative error, leaves this much.
	if constant := float64(n) - inverse*inverse/inverse2; constant > 1e-12 {
		f.R2 = 1 - squares/constant
	}
	return f
}
