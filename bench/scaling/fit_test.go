package scaling

import (
	"strings"
	"testing"
)

// measured is what all-reduces take by the truth, each of them off by a relative error that alternates.
func measured(truth Fit, noise float64, worlds ...int) []Collective {
	var out []Collective
	for _, n := range worlds {
		for bytes := int64(1 << 10); bytes <= 256<<20; bytes *= 4 {
			out = append(out, Collective{n, bytes, truth.Seconds(n, float64(bytes)) * (1 + noise)})
			noise = -noise
		}
	}
	return out
}

func TestFitFindsTheParameters(t *testing.T) {
	for name, truth := range map[string]Fit{
		"ring":                    {Form: FormRing, Alpha: 35e-6, Beta: 0.8e-9},
		"copies beside the ring":  {Form: FormLocal, Alpha: 35e-6, Beta: 0.4e-9, Gamma: 0.9e-9},
		"ranks share the machine": {Form: FormShared, Alpha: 35e-6, Beta: 0.3e-9, Gamma: 0.5e-9},
	} {
		t.Run(name, func(t *testing.T) {
			for _, noise := range []float64{0, 0.01} {
				got := fitRing(measured(truth, noise, 2, 4, 8))
				if !got.Usable || got.Quality != FitGood || got.Form != truth.Form {
					t.Fatalf("noise %g: %+v", noise, got)
				}
				tolerance := 1e-6 + 5*noise
				if !near(got.Alpha, truth.Alpha, tolerance) || !near(got.Beta, truth.Beta, tolerance) || !near(got.Gamma, truth.Gamma, tolerance) {
					t.Errorf("noise %g: got %g, %g, %g", noise, got.Alpha, got.Beta, got.Gamma)
				}
				if got.R2 < 0.99 || got.RelativeResidual > 1e-9+1.2*noise || got.WorstError > 1e-9+2*noise {
					t.Errorf("noise %g: R2 %g, residual %g, worst %g", noise, got.R2, got.RelativeResidual, got.WorstError)
				}
			}
		})
	}
}

func TestOneNumberOfRanksHasNoThirdTerm(t *testing.T) {
	got := fitRing(measured(Fit{Form: FormShared, Alpha: 35e-6, Beta: 0.3e-9, Gamma: 0.5e-9}, 0.05, 4))
	if got.Form != FormRing || !near(got.Beta, 0.3e-9+4*0.5e-9, 0.1) {
		t.Errorf("got %+v", got)
	}
}

func TestFitSaysWhatIsMissing(t *testing.T) {
	truth := Fit{Form: FormRing, Alpha: 35e-6, Beta: 0.8e-9}
	all := measured(truth, 0, 2, 4)
	for name, c := range map[string]struct {
		collectives []Collective
		usable      bool
		says        string
	}{
		"none":         {nil, false, "no all-reduce"},
		"one rank":     {[]Collective{{1, 1024, 1e-6}}, false, "no all-reduce"},
		"two":          {all[:2], false, "too few all-reduces to tell latency from bandwidth: 2 measured"},
		"one size":     {[]Collective{{2, 1024, 1e-4}, {4, 1024, 3e-4}, {8, 1024, 7e-4}}, false, "of 1 sizes"},
		"no latency":   {measured(Fit{Form: FormRing, Beta: 1e-9}, 0, 2), true, "measure smaller ones"},
		"no bandwidth": {measured(Fit{Form: FormRing, Alpha: 1e-4}, 0, 2), true, "measure larger ones"},
		"rough":        {measured(truth, 0.3, 2), true, "take predictions as rough"},
		"unlike":       {measured(truth, 0.8, 2), false, "does not describe the measurements"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := fitRing(c.collectives); got.Usable != c.usable || !strings.Contains(got.Problem, c.says) {
				t.Errorf("got %+v, want %q", got, c.says)
			}
		})
	}
}

func TestHalfBytes(t *testing.T) {
	f := Fit{Alpha: 50e-6, Beta: 1e-9}
	if !near(f.HalfBytes(), 50e3, 1e-12) || !near(f.Bandwidth(), 1e9, 1e-12) {
		t.Errorf("half of %g bytes at %g bytes/s", f.HalfBytes(), f.Bandwidth())
	}
	if f := (Fit{Alpha: 1}); f.HalfBytes() != 0 || f.Bandwidth() != 0 {
		t.Error("no bandwidth is not infinite bandwidth")
	}
}
