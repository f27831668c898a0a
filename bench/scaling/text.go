package scaling

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
	"unicode/utf8"
)

// WriteText prints the report for people: what was measured, tables, and what limits in sentences.
func WriteText(out io.Writer, r Report) error {
	var b strings.Builder
	s := &r.Study
	fmt.Fprintf(&b, "%s\n%s\n", s.job(), s.place())
	for _, mode := range []string{Strong, Weak} {
		r.writeScaling(&b, mode)
	}
	r.writeRanks(&b)
	r.writeFit(&b)
	r.writeOutlook(&b)
	b.WriteString("\nbottlenecks\n")
	for _, text := range r.Summary {
		wrap(&b, "  ", text)
	}
	b.WriteString("\nat each point\n")
	for _, v := range r.Bottlenecks {
		for i, text := range v.Sentences {
			wrap(&b, []string{"  ", "  - "}[min(i, 1)], text)
		}
	}
	if len(r.Notes) > 0 {
		b.WriteString("\nnotes\n")
		for _, text := range r.Notes {
			wrap(&b, "  ", text)
		}
	}
	// Tables pad their last column too.
	for line := range strings.Lines(b.String()) {
		if _, err := io.WriteString(out, strings.TrimRight(line, " \n")+"\n"); err != nil {
			return err
		}
	}
	return nil
}

// textWidth is the number of characters after which sentences are broken.
const textWidth = 118

// wrap prints text behind a prefix, and its further lines below the text.
func wrap(b *strings.Builder, prefix, text string) {
	line := prefix
	for i, word := range strings.Fields(text) {
		if i > 0 && utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > textWidth {
			b.WriteString(line + "\n")
			line = strings.Repeat(" ", len(prefix)) + word
			continue
		}
		if i > 0 {
			line += " "
		}
		line += word
	}
	b.WriteString(line + "\n")
}

// job is what was measured, in a line.
func (s *Study) job() string {
	text := known(s.Model, "unknown model") + " on " + known(s.Device, "unknown device")
	if s.GradientBytes > 0 {
		text += fmt.Sprintf(", %s of gradients in %s", megabytes(float64(s.GradientBytes)), count(max(1, len(s.Buckets)), "bucket"))
	}
	text += fmt.Sprintf(", %s over %s", known(s.Wire, "unknown wire format"), known(s.Transport, "unknown transport"))
	if s.Emulated {
		text += ", compute emulated by a wait of " + ms(s.EmulatedStepSeconds)
	}
	return text
}

// place is where it was measured, in a line.
func (s *Study) place() string {
	text := known(s.Machine, "unknown machine")
	if s.Cores > 0 {
		text += ", " + count(s.Cores, "core")
	}
	if s.Hosts > 1 {
		text += fmt.Sprintf(", %d of them", s.Hosts)
	}
	return text + ", ringloom " + known(s.Version, "of unknown version")
}

func known(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}

func table(b *strings.Builder) *tabwriter.Writer {
	return tabwriter.NewWriter(b, 0, 0, 2, ' ', tabwriter.AlignRight)
}

func (r *Report) writeScaling(b *strings.Builder, mode string) {
	points := ofMode(r.Scaling, mode)
	if len(points) == 0 {
		return
	}
	if mode == Strong {
		fmt.Fprintf(b, "\nstrong scaling: %s per step\n", count(points[0].GlobalBatch, "image"))
	} else {
		fmt.Fprintf(b, "\nweak scaling: %s images per rank and step\n", number(points[0].BatchPerRank()))
	}
	w := table(b)
	fmt.Fprintln(w, "ranks\tthreads\tbatch\tsteps\tstep ms\timages/s\tspeed-up\tefficiency\t  limited by")
	for _, p := range points {
		v := r.bottleneck(mode, p.Ranks)
		fmt.Fprintf(w, "%d\t%d\t%d\t%d\t%s\t%s\t%.2f\t%s\t  %s\n", p.Ranks, p.ThreadsPerRank, p.GlobalBatch, p.Steps,
			milliseconds(p.StepSeconds), number(p.ImagesPerSecond), p.Speedup, percent(p.Efficiency), v.names())
	}
	w.Flush()
}

func milliseconds(seconds float64) string { return fmt.Sprintf("%.2f", 1e3*max(0, seconds)) }

func (r *Report) writeRanks(b *strings.Builder) {
	header := "\nwhere a step goes, mean ms (hidden communication runs beside compute; stragglers are part of the exposed)\n"
	w := table(b)
	for _, p := range r.Scaling {
		for _, k := range p.PerRank {
			if header != "" {
				b.WriteString(header)
				fmt.Fprintln(w, "mode\tranks\trank\tdata\tforward\tbackward\texposed\tstragglers\toptimizer\tother\thidden\tmedian step\tCPU\t  node")
				header = ""
			}
			q := k.Parts
			cpu := "-"
			if k.CPUSeconds > 0 {
				cpu = milliseconds(k.CPUSeconds)
			}
			fmt.Fprintf(w, "%s\t%d\t%d\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t  %s\n", p.Mode, p.Ranks, k.Rank,
				milliseconds(q.Data), milliseconds(q.Forward), milliseconds(q.Backward), milliseconds(q.ExposedComm), milliseconds(q.Straggler),
				milliseconds(q.Optimizer), milliseconds(q.Other), milliseconds(q.HiddenComm), milliseconds(k.StepSeconds), cpu, k.Node)
		}
	}
	w.Flush()
}

func (r *Report) writeFit(b *strings.Builder) {
	b.WriteString("\nthe ring's model\n")
	for _, line := range r.Fit.describe() {
		wrap(b, "  ", line)
	}
	if len(r.Study.Collectives) == 0 {
		return
	}
	w := table(b)
	fmt.Fprintln(w, "ranks\tbytes\tmeasured µs\tmodel µs\terror\talgbw GB/s\tbusbw GB/s\t")
	for _, row := range r.collectiveRows() {
		fmt.Fprintln(w, strings.Join(row, "\t")+"\t")
	}
	w.Flush()
}

// collectiveRows are the cells of the table of all-reduces.
func (r *Report) collectiveRows() [][]string {
	var rows [][]string
	for _, c := range r.Study.Collectives {
		model, err := "-", "-"
		if r.Fit.fitted() && c.Ranks > 1 {
			t := r.Fit.Seconds(c.Ranks, float64(c.Bytes))
			model, err = number(1e6*t), difference(t, c.Seconds)
		}
		rows = append(rows, []string{strconv.Itoa(c.Ranks), strconv.FormatInt(c.Bytes, 10), number(1e6 * c.Seconds), model, err,
			number(c.AlgorithmBandwidth() / 1e9), number(c.BusBandwidth() / 1e9)})
	}
	return rows
}

// describe says what the model is in lines.
func (f *Fit) describe() []string {
	if !f.fitted() {
		return []string{"none: " + f.Problem}
	}
	out := []string{
		fmt.Sprintf("T = %s, fitted to %s of %s over %s", f.Form, count(f.Points, "all-reduce"), count(f.Sizes, "size"), count(f.Worlds, "number")+" of ranks"),
		fmt.Sprintf("alpha %s: what a hop costs however small the message, latency and handling", ms(f.Alpha)),
	}
	if f.Beta > 0 {
		out = append(out, fmt.Sprintf("beta %s per byte: a link of %s; messages of %s spend as long on alpha as on beta",
			perByte(f.Beta), bandwidth(f.Bandwidth()), binaryBytes(f.HalfBytes())))
	} else {
		out = append(out, "beta 0: no link's bandwidth shows")
	}
	switch f.Form {
	case FormLocal:
		out = append(out, fmt.Sprintf("gamma %s per byte: what a rank spends beside the ring, however many ranks there are", perByte(f.Gamma)))
	case FormShared:
		out = append(out, fmt.Sprintf("gamma %s per byte and rank: the ranks share one machine, so beta grows by it with each", perByte(f.Gamma)))
	}
	out = append(out, fmt.Sprintf("relative residual %s, worst point %s, R2 %.3f: a %s fit", percent(f.RelativeResidual), percent(f.WorstError), f.R2, f.Quality))
	if f.Problem != "" {
		out = append(out, "note: "+f.Problem)
	}
	return out
}

func perByte(seconds float64) string { return number(1e9*seconds) + " ns" }

// fitted is true where there are parameters, be they good or not.
func (f *Fit) fitted() bool { return f.Quality != "" }

func (r *Report) writeOutlook(b *strings.Builder) {
	o := &r.Outlook
	if o.Problem != "" {
		fmt.Fprintf(b, "\nprediction: none, because %s\n", o.Problem)
		return
	}
	b.WriteString("\nprediction, not measured; it assumes that\n")
	for _, a := range o.Assumptions {
		wrap(b, "  - ", a)
	}
	w := table(b)
	fmt.Fprintln(w, "\t\tring\t\t\thierarchical\t\t\tdouble tree\t\t\t")
	fmt.Fprintln(w, "\tranks"+strings.Repeat("\tstep ms\texposed ms\tefficiency", 3)+"\t")
	for _, row := range o.byRanks() {
		fmt.Fprintf(w, "prediction\t%d\t", row[0].Ranks)
		for _, p := range row {
			fmt.Fprintf(w, "%s\t%s\t%s\t", milliseconds(p.StepSeconds), milliseconds(p.ExposedSeconds), percent(p.Efficiency))
		}
		fmt.Fprintln(w)
	}
	w.Flush()
	if len(o.Checks) > 0 {
		b.WriteString("\nthe same model at measured points, for comparison\n")
		w := table(b)
		fmt.Fprintln(w, "mode\tranks\tmodel's step ms\tmeasured step ms\tdifference\t")
		for _, c := range o.Checks {
			fmt.Fprintf(w, "%s\t%d\t%s\t%s\t%s\t\n", c.Mode, c.Ranks, milliseconds(c.ModelSeconds), milliseconds(c.MeasuredSeconds), c.Difference())
		}
		w.Flush()
	}
}
