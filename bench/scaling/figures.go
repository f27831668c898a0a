package scaling

import (
	"fmt"
	"slices"
)

// figures are the page's plots: those of measurements, and those of predictions, which share none.
func (r *Report) figures() []Figure {
	var out []Figure
	if r.compares() {
		out = append(out, r.speedFigure(), r.efficiencyFigure())
	}
	out = append(out, r.partsFigures()...)
	if len(r.Study.Collectives) > 0 {
		out = append(out, r.ringTimeFigure(), r.ringBandwidthFigure())
	}
	if len(r.Outlook.Predictions) > 0 {
		out = append(out, r.predictedStepFigure(), r.predictedEfficiencyFigure())
	}
	return out
}

// compares is true where a mode has more than one point.
func (r *Report) compares() bool {
	return len(ofMode(r.Scaling, Strong)) > 1 || len(ofMode(r.Scaling, Weak)) > 1
}

var modeColours = map[string]string{Strong: "c1", Weak: "c2"}

func whole(v float64) string { return fmt.Sprintf("%.0f", v) }

// plain is for the round values of ticks.
func plain(v float64) string { return fmt.Sprintf("%.6g", v) }

func (r *Report) worlds() []float64 {
	var out []float64
	for _, p := range r.Scaling {
		out = append(out, float64(p.Ranks))
	}
	return out
}

func (r *Report) speedFigure() Figure {
	c := chart{title: "Images per second", xName: "ranks", yName: "images/s", x: ranksAxis(r.worlds(), whole)}
	var speeds []float64
	for _, mode := range []string{Strong, Weak} {
		points := ofMode(r.Scaling, mode)
		if len(points) == 0 {
			continue
		}
		s := series{name: mode + " scaling", colour: modeColours[mode], style: measuredPoints}
		ideal := series{name: mode + ", ideal", colour: modeColours[mode], style: idealLine}
		base := points[0].ImagesPerSecond / float64(points[0].BaseRanks)
		for _, p := range points {
			s.points = append(s.points, mark{float64(p.Ranks), p.ImagesPerSecond, number(p.ImagesPerSecond),
				fmt.Sprintf("%s, %s: %s images/s, ideal %s", mode, ranks(p.Ranks), number(p.ImagesPerSecond), number(base*float64(p.Ranks)))})
			ideal.points = append(ideal.points, mark{x: float64(p.Ranks), y: base * float64(p.Ranks)})
			speeds = append(speeds, p.ImagesPerSecond, base*float64(p.Ranks))
		}
		if len(points) > 1 {
			c.series = append(c.series, ideal)
		}
		c.series = append(c.series, s)
	}
	c.y = decadeAxis(speeds, plain)
	return c.figure("Both axes are logarithmic, so perfect scaling is a straight line.")
}

func (r *Report) efficiencyFigure() Figure {
	c := chart{title: "Efficiency", xName: "ranks", yName: "efficiency", x: ranksAxis(r.worlds(), whole)}
	largest := 1.0
	for _, mode := range []string{Strong, Weak} {
		points := ofMode(r.Scaling, mode)
		if len(points) == 0 {
			continue
		}
		s := series{name: mode + " scaling", colour: modeColours[mode], style: measuredPoints}
		for _, p := range points {
			s.points = append(s.points, mark{float64(p.Ranks), p.Efficiency, percent(p.Efficiency),
				fmt.Sprintf("%s, %s: %s", mode, ranks(p.Ranks), percent(p.Efficiency))})
			largest = max(largest, p.Efficiency)
		}
		c.series = append(c.series, s)
	}
	c.y = linearAxis(largest, percent)
	return c.figure("Images/s per rank, over those of the fewest ranks.")
}

var curveColours = []string{"c1", "c2", "c3", "c4", "c5", "c6", "c7", "c8"}

// ring makes a chart of the all-reduces against their size, with the model's curve for each number of ranks.
func (r *Report) ring(title, yName string, value func(Collective) float64, text func(float64) string) (c chart, values []float64) {
	var sizes []float64
	var worlds []int
	for _, k := range r.Study.Collectives {
		sizes, worlds = append(sizes, float64(k.Bytes)), append(worlds, k.Ranks)
	}
	slices.Sort(worlds)
	c = chart{title: title, xName: "bytes", yName: yName, x: powerAxis(sizes, 4, binaryBytes)}
	for i, n := range slices.Compact(worlds) {
		colour := curveColours[i%len(curveColours)]
		s := series{name: ranks(n), colour: colour, style: lonePoints}
		for _, k := range r.Study.Collectives {
			if k.Ranks == n {
				s.points = append(s.points, mark{x: float64(k.Bytes), y: value(k), tip: fmt.Sprintf("%s of %s: %s", binaryBytes(float64(k.Bytes)), ranks(n), text(value(k)))})
				values = append(values, value(k))
			}
		}
		if r.Fit.fitted() && n > 1 {
			curve := series{colour: colour, style: fittedCurve}
			for _, bytes := range between(slices.Min(sizes), slices.Max(sizes), 60) {
				v := value(Collective{n, int64(bytes), r.Fit.Seconds(n, bytes)})
				curve.points = append(curve.points, mark{x: bytes, y: v})
				values = append(values, v)
			}
			c.series = append(c.series, curve)
		}
		c.series = append(c.series, s)
	}
	return c, values
}

func (r *Report) ringTimeFigure() Figure {
	c, values := r.ring("Time of an all-reduce", "time", func(k Collective) float64 { return k.Seconds }, ms)
	c.y = powerAxis(values, 10, ms)
	if !r.Fit.fitted() {
		return c.figure("Points are measured. No model could be fitted.")
	}
	return c.figure(fmt.Sprintf("Points are measured, lines are the fitted model: %s, a %s fit.", r.Fit.Form, r.Fit.Quality))
}

func (r *Report) ringBandwidthFigure() Figure {
	c, values := r.ring("Bandwidth of a link", "bus bandwidth, GB/s", func(k Collective) float64 { return k.BusBandwidth() / 1e9 },
		func(v float64) string { return number(v) + " GB/s" })
	c.y = linearAxis(slices.Max(values), plain)
	return c.figure("What each link of the ring carries: 2(N-1)/N of the bytes, over the time.")
}

var algorithmColours = map[string]string{Ring: "c1", HierarchicalRing: "c2", DoubleTree: "c3"}

// predicted makes a chart of what was not measured.
func (r *Report) predicted(title, yName string, value func(Prediction) float64, text func(float64) string) (c chart, values []float64) {
	c = chart{title: title, xName: "ranks", yName: yName, prediction: true}
	var worlds []float64
	for _, algorithm := range algorithms {
		s := series{name: algorithm + " (prediction)", colour: algorithmColours[algorithm], style: predictedLine}
		for _, p := range r.Outlook.Predictions {
			if p.Algorithm == algorithm {
				v := value(p)
				s.points = append(s.points, mark{x: float64(p.Ranks), y: v, tip: fmt.Sprintf("prediction: %s, %s: %s", algorithm, ranks(p.Ranks), text(v))})
				worlds, values = append(worlds, float64(p.Ranks)), append(values, v)
			}
		}
		c.series = append(c.series, s)
	}
	c.x = ranksAxis(worlds, whole)
	return c, values
}

func (r *Report) predictedStepFigure() Figure {
	c, values := r.predicted("Predicted step", "step, ms", func(p Prediction) float64 { return 1e3 * p.StepSeconds },
		func(v float64) string { return number(v) + " ms" })
	c.y = linearAxis(slices.Max(values), plain)
	return c.figure("Compute as measured, and the all-reduces that the model says backward does not hide.")
}

func (r *Report) predictedEfficiencyFigure() Figure {
	c, values := r.predicted("Predicted efficiency", "efficiency", func(p Prediction) float64 { return p.Efficiency }, percent)
	c.y = linearAxis(max(1, slices.Max(values)), percent)
	return c.figure("Of weak scaling, with a machine for each rank.")
}
