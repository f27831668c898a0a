package collective

import (
	"fmt"
	"io"
	"strconv"
	"strings"
)

// NewText prints the table that nccl-tests prints, with the minimum beside each time.
func NewText(out io.Writer) Printer { return &textPrinter{out: out} }

type textPrinter struct {
	out     io.Writer
	setting Setting
	err     error // the first; nothing is printed after it
}

// A row is size, count, type, redop, and twice time, min, algbw, busbw, #wrong. Titles are comments.
const (
	rowFormat   = "%12s" + moreColumns
	titleFormat = "#%11s" + moreColumns
	moreColumns = " %12s %8s %6s  %10s %10s %8s %8s %7s  %10s %10s %8s %8s %7s\n"
)

func (p *textPrinter) Begin(s Setting, c Config) error {
	p.setting = s
	where := fmt.Sprintf("%d ranks on %d machines", s.Ranks, s.Hosts)
	if s.Hosts == 1 {
		where = fmt.Sprintf("%d ranks on this machine", s.Ranks)
	}
	p.printf("# ringloom %s: %s, %s\n", s.Version, s.Op, where)
	p.printf("# %s\n", s.Machine)
	rings := "1 ring"
	if s.Rings > 1 {
		rings = fmt.Sprintf("%d rings", s.Rings)
	}
	p.printf("# transport %s (%s), wire %s, chunk %d bytes, window %d bytes, %s\n", s.Transport, s.Path, s.Wire, s.ChunkBytes, s.WindowBytes, rings)
	limit := ""
	if c.Duration > 0 {
		limit = fmt.Sprintf(", at most %v a size", c.Duration)
	}
	p.printf("# %d iterations after %d for warm-up%s; time is the median of the slowest rank's, min the least\n#\n", c.Iterations, c.WarmUp, limit)
	p.title("#%41s  %47s  %47s\n", "", centred("out-of-place"), centred("in-place"))
	p.title(titleFormat, "size", "count", "type", "redop", "time", "min", "algbw", "busbw", "#wrong", "time", "min", "algbw", "busbw", "#wrong")
	p.title(titleFormat, "(B)", "(elements)", "", "", "(us)", "(us)", "(GB/s)", "(GB/s)", "", "(us)", "(us)", "(GB/s)", "(GB/s)", "")
	return p.err
}

func (p *textPrinter) Row(r Row) error {
	cells := []any{strconv.FormatInt(r.Bytes, 10), strconv.FormatInt(r.Count, 10), p.setting.Op.Type(), p.setting.Op.RedOp()}
	for _, t := range []*Timing{r.OutOfPlace, r.InPlace} {
		cells = append(cells, timingCells(t, r.Bytes > 0)...)
	}
	p.printf(rowFormat, cells...)
	return p.err
}

// title has no spaces at its end.
func (p *textPrinter) title(format string, cells ...any) {
	p.printf("%s\n", strings.TrimRight(fmt.Sprintf(format, cells...), " \n"))
}

// centred pads a title so that it stands over the middle of its five columns.
func centred(title string) string { return title + strings.Repeat(" ", (47-len(title))/2) }

func timingCells(t *Timing, sized bool) []any {
	if t == nil {
		return []any{"-", "-", "-", "-", "-"}
	}
	algbw, busbw, wrong := "-", "-", "-"
	if sized {
		algbw, busbw, wrong = fmt.Sprintf("%.3f", t.AlgBytes/1e9), fmt.Sprintf("%.3f", t.BusBytes/1e9), strconv.FormatInt(t.WrongValues, 10)
	}
	return []any{microseconds(t.Seconds), microseconds(t.MinSeconds), algbw, busbw, wrong}
}

// microseconds has three significant digits or all before the point.
func microseconds(seconds float64) string {
	us := 1e6 * seconds
	switch {
	case us >= 100:
		return fmt.Sprintf("%.0f", us)
	case us >= 10:
		return fmt.Sprintf("%.1f", us)
	}
	return fmt.Sprintf("%.2f", us)
}

func (p *textPrinter) End(s Summary) error {
	if p.setting.Op != Barrier {
		p.printf("# average bus bandwidth: %.3f GB/s\n# wrong values: %d\n", s.BusBytes/1e9, s.WrongValues)
	}
	return p.err
}

func (p *textPrinter) printf(format string, args ...any) {
	if p.err == nil {
		_, p.err = fmt.Fprintf(p.out, format, args...)
	}
}
