package elastic

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// job is the object of one result in JSON.
type job struct {
	Kind      string  `json:"kind"`
	Ranks     int     `json:"ranks"`
	Model     string  `json:"model"`
	Global    int     `json:"global_batch"`
	Emulated  float64 `json:"emulated_seconds"`
	Seed      uint64  `json:"seed"`
	Step      float64 `json:"step_seconds"`
	Took      float64 `json:"seconds"`
	Goodput   float64 `json:"goodput"`
	AMinute   float64 `json:"goodput_a_kill_a_minute"`
	Unplanned int     `json:"unplanned_changes"`
	Audit
}

// WriteJSON writes one object a line: every incident, a row for each kind of them, and the job.
func WriteJSON(out io.Writer, r Result) error {
	e := json.NewEncoder(out)
	for _, i := range r.Incidents {
		if err := e.Encode(struct {
			Kind string `json:"kind"`
			Incident
		}{"incident", i}); err != nil {
			return err
		}
	}
	for _, row := range r.Rows() {
		if err := e.Encode(struct {
			Kind string `json:"kind"`
			Row
		}{"row", row}); err != nil {
			return err
		}
	}
	c := r.Config
	return e.Encode(job{
		"job", c.Ranks, c.Rank.Model, c.Rank.GlobalBatch, c.Rank.Emulate.Seconds(), c.Seed, r.Step, r.Took, r.Goodput(), r.GoodputAt(60), r.Unplanned, r.Audit,
	})
}

// WriteJSON writes one object.
func (c Cost) WriteJSON(out io.Writer) error {
	return json.NewEncoder(out).Encode(struct {
		Kind string `json:"kind"`
		Cost
	}{"cost", c})
}

// WriteText writes a table for people, in milliseconds.
func WriteText(out io.Writer, r Result) error {
	c := r.Config
	on := ""
	if c.Rank.Emulate > 0 {
		on = fmt.Sprintf(", emulated steps of %v", c.Rank.Emulate)
	}
	fmt.Fprintf(out, "%d ranks of %s, %d samples a step%s: a step takes %.3g ms; seed %d, %.0f s\n", c.Ranks, c.Rank.Model, c.Rank.GlobalBatch, on, 1e3*r.Step, c.Seed, r.Took)
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	ms := func(s float64) string { return fmt.Sprintf("%.0f", 1e3*s) }
	line := func(cells ...string) { fmt.Fprintln(w, strings.Join(cells, "\t")+"\t") }
	line("", "", "pause beyond a step, ms", "", "", "of it, p50", "", "", "", "", "start to")
	line("", "count", "p50", "p90", "p99", "known", "agreed", "ring", "place", "commit", "first step", "state")
	for _, row := range r.Rows() {
		start, bytes := "", ""
		if row.Start.Max > 0 {
			start, bytes = ms(row.Start.P50), fmt.Sprintf("%d kB", row.Bytes/1000)
		}
		line(string(row.Kind), fmt.Sprint(row.Count), ms(row.Pause.P50), ms(row.Pause.P90), ms(row.Pause.P99), ms(row.Known.P50), ms(row.Agreed.P50), ms(row.Ring.P50),
			ms(row.Place.P50), ms(row.Commit.P50), start, bytes)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	a := r.Audit
	fmt.Fprintf(out, "goodput %.1f%%; with a kill and a join each minute it would be %.2f%%\n", 100*r.Goodput(), 100*r.GoodputAt(60))
	_, err := fmt.Fprintf(out, "audit: %d steps committed, %d whole epochs; samples lost %d, repeated %d; changes of the view that nobody caused: %d\n", a.Steps, a.Epochs, a.Lost, a.Repeated, r.Unplanned)
	for _, p := range a.Problems {
		fmt.Fprintln(out, "audit:", p)
	}
	return err
}

// WriteText writes one line for people.
func (c Cost) WriteText(out io.Writer) error {
	_, err := fmt.Fprintf(out, "%d ranks, nothing fails, %d rounds of %d steps in turn: %.3f ms a step, with --elastic %.3f ms; ratio %.4f (quartiles %.4f to %.4f)\n",
		c.Ranks, c.Rounds, c.Steps, 1e3*c.Without, 1e3*c.With, c.Ratio[1], c.Ratio[0], c.Ratio[2])
	return err
}
