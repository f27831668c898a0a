package checkpoint

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

// Fit copies tensors into the model's own, which want lists in any order, or changes nothing and says which tensor is
// missing, unknown, of another shape, not finite, or a negative variance. Tensors of integers may be missing: they are counters, which
// PyTorch itself leaves out in old files, and then keep their values.
func Fit(model string, want []Tensor, meta Meta, have []Tensor) error {
	if !meta.Foreign && meta.Model != "" && meta.Model != model {
		return fmt.Errorf("%w: it holds %s, not %s: choose --model %s or another file", ErrMismatch, meta.Model, model, meta.Model)
	}
	unused := make(map[string]Tensor, len(have))
	for _, t := range have {
		unused[t.Name] = t
	}
	var missing []Tensor
	type pair struct{ to, from Tensor }
	var pairs []pair
	for _, w := range want {
		h, ok := unused[w.Name]
		if !ok {
			if w.Ints == nil {
				missing = append(missing, w)
			}
			continue
		}
		delete(unused, w.Name)
		pairs = append(pairs, pair{w, h})
	}
	if len(missing) > 0 {
		return missingError(model, missing, have, unused)
	}
	for _, h := range have {
		if _, left := unused[h.Name]; left {
			return fmt.Errorf("%w: %s has no tensor %q %v%s: choose the --model that the file is of, or take the tensor out",
				ErrMismatch, model, h.Name, h.Shape, others(len(unused)-1))
		}
	}
	for _, p := range pairs {
		if err := fits(model, p.to, p.from); err != nil {
			return err
		}
	}
	for _, p := range pairs {
		copy(p.to.Data, p.from.Data)
		copy(p.to.Ints, p.from.Ints)
	}
	return nil
}

// fits compares two tensors of the same name.
func fits(model string, want, have Tensor) error {
	if !slices.Equal(have.Shape, want.Shape) {
		return fmt.Errorf("%w: tensor %q has shape %v, %s needs %v: choose the --model that the file is of",
			ErrMismatch, want.Name, have.Shape, model, want.Shape)
	}
	if (have.Ints != nil) != (want.Ints != nil) {
		return fmt.Errorf("%w: tensor %q holds %s, %s needs %s: save it as that", ErrMismatch, want.Name, kindOf(have), model, kindOf(want))
	}
	for i, v := range have.Data {
		if math.IsNaN(float64(v)) || math.IsInf(float64(v), 0) {
			return fmt.Errorf("%w: element %d of tensor %q is %v: the run that wrote it went wrong, take an earlier checkpoint",
				ErrMismatch, i, want.Name, v)
		}
		if v < 0 && variance(want.Name) {
			return fmt.Errorf("%w: element %d of tensor %q is %v, and no variance is negative: its root would be no number; take another checkpoint",
				ErrMismatch, i, want.Name, v)
		}
	}
	return nil
}

// variance says that a tensor holds means of squares: of batch norm, or what Adam divides by.
func variance(name string) bool {
	return name == runningVariance || strings.HasSuffix(name, "."+runningVariance) || strings.HasPrefix(name, "exp_avg_sq.")
}

const runningVariance = "running_var"

func kindOf(t Tensor) string {
	if t.Ints != nil {
		return "integers (I64)"
	}
	return "floats (F32)"
}

// missingError names the first missing tensor, and one that could be it under another name.
func missingError(model string, missing, have []Tensor, unused map[string]Tensor) error {
	first := missing[0]
	for _, h := range have {
		if _, left := unused[h.Name]; left && slices.Equal(h.Shape, first.Shape) {
			return fmt.Errorf("%w: %s's tensor %q %v is missing%s; the file's %q has that shape: rename it, or choose the --model that the file is of",
				ErrMismatch, model, first.Name, first.Shape, others(len(missing)-1), h.Name)
		}
	}
	return fmt.Errorf("%w: %s's tensor %q %v is missing%s: choose the --model that the file is of",
		ErrMismatch, model, first.Name, first.Shape, others(len(missing)-1))
}

// others says how many more there are.
func others(n int) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf(" (and %d more)", n)
}
