package scaling

import "fmt"

// Report is what Analyse makes of a study. Everything in it is measured or follows from measurements, but for Outlook.
type Report struct {
	Study       Study
	Scaling     []Scaling // by mode, strong first, then by ranks
	Fit         Fit
	Outlook     Outlook
	Bottlenecks []Bottleneck // one per point, in the order of Scaling
	// Summary is the whole in sentences, Notes what a reader must know about the figures.
	Summary, Notes []string
}

// Analyse explains a study. It does not change or keep it.
func Analyse(s Study) (Report, error) {
	if err := s.Validate(); err != nil {
		return Report{}, fmt.Errorf("analysing the scaling: %w", err)
	}
	r := Report{Study: s, Scaling: scale(s.Points), Fit: fitRing(s.Collectives)}
	r.Outlook = predict(&r.Study, r.Scaling, &r.Fit)
	for i := range r.Scaling {
		r.Bottlenecks = append(r.Bottlenecks, findBottleneck(&r.Study, r.Scaling, i, &r.Fit))
	}
	r.Summary = r.summary()
	r.Notes = r.notes()
	return r, nil
}

// summary says for each mode how far it scales and what ends it, and then what the model predicts.
func (r *Report) summary() []string {
	var out []string
	for _, mode := range []string{Strong, Weak} {
		points := ofMode(r.Scaling, mode)
		if len(points) == 0 {
			continue
		}
		last := points[len(points)-1]
		v := r.bottleneck(mode, last.Ranks)
		if len(points) == 1 {
			out = append(out, fmt.Sprintf("%s scaling: only %s measured, so there is nothing to compare; %s.", title(mode), ranks(last.Ranks), v.limitedBy()))
			continue
		}
		text := fmt.Sprintf("%s scaling: %s are %sx as fast as %s (%s efficiency), %s",
			title(mode), ranks(last.Ranks), ratio(last.Speedup/float64(last.BaseRanks)), ranks(last.BaseRanks), percent(last.Efficiency), v.limitedBy())
		// The limit of the largest number of ranks may have set in earlier.
		from := last.Ranks
		for i := len(points) - 2; i >= 0 && r.bottleneck(mode, points[i].Ranks).Limits[0] == v.Limits[0]; i-- {
			from = points[i].Ranks
		}
		if from < last.Ranks && ruleOf(v.Limits[0]) != nil {
			text += fmt.Sprintf(", which sets in at %s", ranks(from))
		}
		text += "."
		if advice := v.advice(); advice != "" {
			text += " " + advice
		}
		out = append(out, text)
	}
	return append(out, r.predictionSentence())
}

// predictionSentence is marked as a prediction by its first word.
func (r *Report) predictionSentence() string {
	o := &r.Outlook
	if o.Problem != "" {
		return fmt.Sprintf("Prediction: none, because %s.", o.Problem)
	}
	text := "Prediction: "
	for i, algorithm := range algorithms {
		if i > 0 {
			text += ", "
		}
		last, efficiency := 0, 0.0
		var largest Prediction
		for _, p := range o.Predictions {
			if p.Algorithm != algorithm {
				continue
			}
			largest = p
			if p.Efficiency >= holdsFrom {
				last, efficiency = p.Ranks, p.Efficiency
			}
		}
		if last == 0 {
			text += fmt.Sprintf("a %s is below %s already at %s", algorithm, percent(holdsFrom), ranks(PredictFrom))
		} else if last == largest.Ranks {
			text += fmt.Sprintf("a %s keeps %s to %s", algorithm, percent(efficiency), ranks(last))
		} else {
			text += fmt.Sprintf("a %s stays above %s to %s and has %s at %d", algorithm, percent(holdsFrom), ranks(last), percent(largest.Efficiency), largest.Ranks)
		}
	}
	text += " (weak scaling, a machine per rank)."
	if r.Fit.Quality == FitFair {
		text += fmt.Sprintf(" The fit behind it is only fair: it misses the measured all-reduces by %s.", percent(r.Fit.RelativeResidual))
	}
	return text
}

// holdsFrom is the efficiency that the summary asks of a prediction.
const holdsFrom = 0.80

func (r *Report) bottleneck(mode string, ranks int) *Bottleneck {
	for i := range r.Bottlenecks {
		if r.Bottlenecks[i].Mode == mode && r.Bottlenecks[i].Ranks == ranks {
			return &r.Bottlenecks[i]
		}
	}
	panic("scaling: a point without a bottleneck") // Analyse makes one of each
}

// notes are what a reader would not expect.
func (r *Report) notes() []string {
	var out []string
	s := &r.Study
	if s.Emulated {
		out = append(out, fmt.Sprintf("Compute is emulated: a wait of %s stands for forward and backward, and takes no core. Only communication is real.", ms(s.EmulatedStepSeconds)))
	}
	for _, mode := range []string{Strong, Weak} {
		points := ofMode(r.Scaling, mode)
		if len(points) == 0 {
			continue
		}
		if base := points[0].Ranks; base > 1 {
			out = append(out, fmt.Sprintf("%s scaling has no point of 1 rank: %s count as perfect, so speed-up and efficiency are too high by what they lose.", title(mode), ranks(base)))
		}
		for _, p := range points {
			if p.ThreadsPerRank != points[0].ThreadsPerRank {
				out = append(out, fmt.Sprintf("%s scaling changes the threads per rank: efficiency compares ranks of unlike size.", title(mode)))
				break
			}
		}
	}
	return out
}
