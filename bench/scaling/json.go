package scaling

import (
	"encoding/json"
	"io"
)

// WriteJSON writes one object per line, each with its kind. docs/scaling.md explains the fields.
func WriteJSON(out io.Writer, r Report) error {
	e := json.NewEncoder(out)
	e.SetEscapeHTML(false)
	for _, line := range r.lines() {
		if err := e.Encode(line); err != nil {
			return err
		}
	}
	return nil
}

type studyLine struct {
	Kind string `json:"kind"`
	Study
	// The two lists have lines of their own.
	Points      *struct{} `json:"points,omitempty"`
	Collectives *struct{} `json:"collectives,omitempty"`
	Summary     []string  `json:"summary"`
	Notes       []string  `json:"notes"`
}

type pointLine struct {
	Kind            string  `json:"kind"`
	Mode            string  `json:"mode"`
	Ranks           int     `json:"ranks"`
	ThreadsPerRank  int     `json:"threads_per_rank"`
	GlobalBatch     int     `json:"global_batch"`
	BatchPerRank    float64 `json:"batch_per_rank"`
	Steps           int     `json:"steps"`
	StepSeconds     float64 `json:"step_seconds"`
	ImagesPerSecond float64 `json:"images_per_second"`
	BaseRanks       int     `json:"base_ranks"`
	Speedup         float64 `json:"speedup"`
	Efficiency      float64 `json:"efficiency"`
}

type rankLine struct {
	Kind  string `json:"kind"`
	Mode  string `json:"mode"`
	Ranks int    `json:"ranks"`
	Rank  int    `json:"rank"`
	Node  string `json:"node"`
	Parts
	StepSeconds float64  `json:"step_seconds"`
	CPUSeconds  *float64 `json:"cpu_seconds"`
}

type collectiveLine struct {
	Kind string `json:"kind"`
	Collective
	AlgorithmBandwidth float64  `json:"algbw_bytes_per_second"`
	BusBandwidth       float64  `json:"busbw_bytes_per_second"`
	ModelSeconds       *float64 `json:"model_seconds"`
	RelativeError      *float64 `json:"relative_error"`
}

type modelLine struct {
	Kind             string      `json:"kind"`
	Usable           bool        `json:"usable"`
	Problem          string      `json:"problem"`
	Quality          string      `json:"quality"`
	Form             string      `json:"form"`
	Alpha            float64     `json:"alpha_seconds"`
	Beta             float64     `json:"beta_seconds_per_byte"`
	Gamma            float64     `json:"gamma_seconds_per_byte"`
	Bandwidth        float64     `json:"link_bytes_per_second"`
	HalfBytes        float64     `json:"half_bandwidth_bytes"`
	Points           int         `json:"points"`
	Sizes            int         `json:"sizes"`
	Worlds           int         `json:"worlds"`
	RelativeResidual float64     `json:"relative_residual"`
	WorstError       float64     `json:"worst_relative_error"`
	R2               float64     `json:"r2"`
	Checks           []checkLine `json:"checks"`
}

type checkLine struct {
	Mode            string  `json:"mode"`
	Ranks           int     `json:"ranks"`
	ModelSeconds    float64 `json:"model_step_seconds"`
	MeasuredSeconds float64 `json:"measured_step_seconds"`
}

type predictionLine struct {
	Kind            string   `json:"kind"`
	Prediction      bool     `json:"prediction"` // always true
	Algorithm       string   `json:"algorithm"`
	Ranks           int      `json:"ranks"`
	GroupRanks      int      `json:"group_ranks,omitempty"`
	BatchPerRank    float64  `json:"batch_per_rank"`
	ComputeSeconds  float64  `json:"compute_seconds"`
	CommSeconds     float64  `json:"comm_seconds"`
	ExposedSeconds  float64  `json:"exposed_comm_seconds"`
	StepSeconds     float64  `json:"step_seconds"`
	ImagesPerSecond float64  `json:"images_per_second"`
	Efficiency      float64  `json:"efficiency"`
	BaseMode        string   `json:"base_mode"`
	BaseRanks       int      `json:"base_ranks"`
	Assumptions     []string `json:"assumptions"`
}

type bottleneckLine struct {
	Kind       string     `json:"kind"`
	Mode       string     `json:"mode"`
	Ranks      int        `json:"ranks"`
	Efficiency float64    `json:"efficiency"`
	Limits     []Cause    `json:"limits"`
	Losses     []lossLine `json:"losses"`
	Text       string     `json:"text"`
}

type lossLine struct {
	Cause   Cause   `json:"cause"`
	Seconds float64 `json:"seconds"`
	Share   float64 `json:"share"`
	Text    string  `json:"text"`
}

// lines are the objects in their order. No list is null.
func (r *Report) lines() []any {
	s := r.Study
	s.Buckets = append([]int64{}, s.Buckets...)
	out := []any{studyLine{Kind: "study", Study: s, Summary: append([]string{}, r.Summary...), Notes: append([]string{}, r.Notes...)}}
	for _, p := range r.Scaling {
		out = append(out, pointLine{"point", p.Mode, p.Ranks, p.ThreadsPerRank, p.GlobalBatch, p.BatchPerRank(), p.Steps,
			p.StepSeconds, p.ImagesPerSecond, p.BaseRanks, p.Speedup, p.Efficiency})
		for _, k := range p.PerRank {
			line := rankLine{"rank", p.Mode, p.Ranks, k.Rank, k.Node, k.Parts, k.StepSeconds, nil}
			if k.CPUSeconds > 0 {
				line.CPUSeconds = &k.CPUSeconds
			}
			out = append(out, line)
		}
	}
	f := &r.Fit
	for _, c := range r.Study.Collectives {
		line := collectiveLine{Kind: "collective", Collective: c, AlgorithmBandwidth: c.AlgorithmBandwidth(), BusBandwidth: c.BusBandwidth()}
		if f.fitted() && c.Ranks > 1 {
			t := f.Seconds(c.Ranks, float64(c.Bytes))
			e := t/c.Seconds - 1
			line.ModelSeconds, line.RelativeError = &t, &e
		}
		out = append(out, line)
	}
	model := modelLine{"model", f.Usable, f.Problem, f.Quality, f.Form, f.Alpha, f.Beta, f.Gamma, f.Bandwidth(), f.HalfBytes(),
		f.Points, f.Sizes, f.Worlds, f.RelativeResidual, f.WorstError, f.R2, []checkLine{}}
	for _, c := range r.Outlook.Checks {
		model.Checks = append(model.Checks, checkLine(c))
	}
	out = append(out, model)
	o := &r.Outlook
	for _, p := range o.Predictions {
		out = append(out, predictionLine{"prediction", true, p.Algorithm, p.Ranks, p.GroupRanks, o.BatchPerRank,
			p.ComputeSeconds, p.CommSeconds, p.ExposedSeconds, p.StepSeconds, p.ImagesPerSecond, p.Efficiency, o.BaseMode, o.BaseRanks, o.Assumptions})
	}
	for _, v := range r.Bottlenecks {
		line := bottleneckLine{"bottleneck", v.Mode, v.Ranks, v.Efficiency, v.Limits, []lossLine{}, v.Text()}
		for _, l := range v.Losses {
			line.Losses = append(line.Losses, lossLine(l))
		}
		out = append(out, line)
	}
	return out
}
