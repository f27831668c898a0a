package elastic

// Row is what incidents of a kind have cost. Times are in seconds.
type Row struct {
	Kind  Kind `json:"what"`
	Ranks int  `json:"ranks"`
	Count int  `json:"count"`
	// Leaders of them were rank 0.
	Leaders int `json:"leaders"`

	Pause  Quantiles `json:"pause_seconds"`
	Known  Quantiles `json:"known_seconds"`
	Agreed Quantiles `json:"agreed_seconds"`
	Ring   Quantiles `json:"ring_seconds"`
	Place  Quantiles `json:"place_seconds"`
	Commit Quantiles `json:"commit_seconds"`
	Start  Quantiles `json:"start_seconds"`
	Bytes  int64     `json:"state_bytes"` // the most
	Views  int       `json:"views"`       // the most
}

// Quantiles are by nearest rank: of fewer than 100 values P99 is the largest.
type Quantiles struct {
	P50 float64 `json:"p50"`
	P90 float64 `json:"p90"`
	P99 float64 `json:"p99"`
	Max float64 `json:"max"`
}

// Rows are the kinds that there are, in the order of Kinds.
func (r Result) Rows() (rows []Row) {
	for _, kind := range Kinds {
		row := Row{Kind: kind, Ranks: r.Config.Ranks}
		var of []Incident
		for _, i := range r.Incidents {
			if i.Kind != kind {
				continue
			}
			of = append(of, i)
			row.Count++
			row.Bytes, row.Views = max(row.Bytes, i.Bytes), max(row.Views, i.Views)
			if i.Leader {
				row.Leaders++
			}
		}
		if row.Count == 0 {
			continue
		}
		for to, value := range map[*Quantiles]func(Incident) float64{
			&row.Pause:  func(i Incident) float64 { return i.Pause },
			&row.Known:  func(i Incident) float64 { return i.Known },
			&row.Agreed: func(i Incident) float64 { return i.Agreed },
			&row.Ring:   func(i Incident) float64 { return i.Ring },
			&row.Place:  func(i Incident) float64 { return i.Place },
			&row.Commit: func(i Incident) float64 { return i.Commit },
			&row.Start:  func(i Incident) float64 { return i.Start },
		} {
			values := make([]float64, len(of))
			for n, i := range of {
				values[n] = value(i)
			}
			*to = Quantiles{quantile(values, 0.5), quantile(values, 0.9), quantile(values, 0.99), quantile(values, 1)}
		}
		rows = append(rows, row)
	}
	return rows
}

// Goodput is the share of the time in which the ranks that were there trained.
func (r Result) Goodput() float64 {
	if r.Took == 0 {
		return 0
	}
	return 1 - r.Paused/r.Took
}

// GoodputAt is what a kill, and the join that follows, in so many seconds would leave; 1 where none was measured.
func (r Result) GoodputAt(interval float64) float64 {
	mean := func(kind Kind) float64 {
		sum, n := 0.0, 0
		for _, i := range r.Incidents {
			if i.Kind == kind {
				sum, n = sum+i.Pause, n+1
			}
		}
		return sum / max(1, float64(n))
	}
	return 1 - (mean(Kill)+mean(Join))/interval
}
