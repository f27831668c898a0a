package step

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// WriteText prints the result for people: a paragraph, and tables of the time by kind and, where there are any, by
// operation.
func (r *Result) WriteText(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "%s, batch %d of %s, %s, %s\n", r.Model, r.Batch, r.Data, r.Precision, r.DeviceInfo)
	fmt.Fprintf(w, "  images/s\t%s best, %s median of %s\n", number(r.ImagesPerSecond), number(r.ImagesPerSecondMedian), r.stepsText())
	fmt.Fprintf(w, "  step\t%.2f ms best, %.2f ms median\n", 1e3*r.StepSeconds, 1e3*r.StepSecondsMedian)
	fmt.Fprintf(w, "  arithmetic\t%s GFLOP per step, %s GFLOP/s, %s\n", number(float64(r.StepFLOPs)/1e9), number(r.FLOPsPerSecond/1e9), r.peakText())
	fmt.Fprintf(w, "  memory\tactivations %s MiB, process %s at its peak\n", number(float64(r.ActivationBytes)/(1<<20)), r.rssText())
	fmt.Fprintf(w, "  loss\t%.4f at first, %.4f at last\n", r.FirstLoss, r.LastLoss)
	if e := r.Error; e != nil {
		fmt.Fprintf(w, "  error\tlogits %.1e, gradients %.1e; the largest of a parameter %.1e, in %s\n", e.Logits, e.Gradients, e.LargestGradient, e.LargestName)
		fmt.Fprintf(w, "  \tagainst float64, by the first %s of the batch, relative L2\n", images(e.Images))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if err := r.writeOps(out, "kind", r.Kinds, func(o Op) string { return o.Kind }); err != nil {
		return err
	}
	if len(r.Ops) == 0 {
		return nil
	}
	return r.writeOps(out, "operation", r.Ops, func(o Op) string {
		return strings.TrimRight(o.Kind+" "+o.Geometry+"  "+strings.Join(o.Kernels, ", "), " ")
	})
}

func images(n int) string {
	if n == 1 {
		return "image"
	}
	return fmt.Sprint(n, " images")
}

func (r *Result) stepsText() string {
	if r.RoundSteps > 1 {
		return fmt.Sprintf("%d steps in rounds of %d", r.Steps, r.RoundSteps)
	}
	return fmt.Sprintf("%d steps", r.Steps)
}

// restText names the part of the step that no operation takes.
func (r *Result) restText() string {
	if r.Traced {
		return "beside kernels run one by one"
	}
	return "outside of kernels"
}

func (r *Result) peakText() string {
	if r.PeakFLOPsPerSecond == nil {
		return "peak unknown"
	}
	return fmt.Sprintf("%.0f%% of the measured peak of %s GFLOP/s", 100**r.PeakFraction, number(*r.PeakFLOPsPerSecond/1e9))
}

func (r *Result) rssText() string {
	if r.PeakRSSBytes == nil {
		return "unknown"
	}
	return number(float64(*r.PeakRSSBytes)/(1<<20)) + " MiB"
}

// writeOps prints a table of the best step, with the rest of its time in the last line but one.
func (r *Result) writeOps(out io.Writer, heading string, ops []Op, name func(Op) string) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(w, "\ncount\tms\tshare\tGFLOP/s\t  %s\n", heading)
	row := func(o Op, name string) {
		speed := ""
		if o.FLOPs > 0 {
			speed = number(o.FLOPsPerSecond() / 1e9)
		}
		fmt.Fprintf(w, "%d\t%.3f\t%.1f%%\t%s\t  %s\n", o.Count, 1e3*o.Seconds, 100*o.Seconds/r.StepSeconds, speed, name)
	}
	total := Op{Seconds: r.StepSeconds, FLOPs: r.StepFLOPs}
	rest := Op{Seconds: r.StepSeconds}
	for _, o := range ops {
		row(o, name(o))
		total.Count += o.Count
		rest.Seconds -= o.Seconds
	}
	row(rest, r.restText())
	row(total, "the best step")
	return w.Flush()
}

// number prints three significant digits, and all of those before the point.
func number(v float64) string {
	switch {
	case v >= 100:
		return fmt.Sprintf("%.0f", v)
	case v >= 10:
		return fmt.Sprintf("%.1f", v)
	case v >= 1:
		return fmt.Sprintf("%.2f", v)
	}
	return fmt.Sprintf("%.3g", v)
}
