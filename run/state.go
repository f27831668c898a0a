package run

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"ringloom/checkpoint"
	"ringloom/nn"
	"ringloom/report"
	"ringloom/train"
)

// StateFile is where a run directory keeps what the run needs to go on: a training state of package checkpoint, whose optimizer part
// also has what else the ranks remember, and whose metadata has the rest.
const StateFile = "latest.training.safetensors"

// PreviousStateFile is the state of one checkpoint before, for where StateFile is damaged.
const PreviousStateFile = "previous.training.safetensors"

// stateFiles are the names of the latest and the previous state of whoever leads since a change of the view with this number; 0 where the
// leader is the run's first. A leader that the others have gone on without may still be about to write: what it writes has a lower number,
// and the highest number counts.
func stateFiles(number int) (latest, previous string) {
	if number == 0 {
		return StateFile, PreviousStateFile
	}
	return fmt.Sprintf("latest-%d%s", number, stateSuffix), fmt.Sprintf("previous-%d%s", number, stateSuffix)
}

const stateSuffix = ".training.safetensors"

// stateNumber is the number in the name of a state's file; it is false for other names.
func stateNumber(name string) (number int, latest, ok bool) {
	rest, ok := strings.CutSuffix(filepath.Base(name), stateSuffix)
	if !ok {
		return 0, false, false
	}
	word, digits, numbered := strings.Cut(rest, "-")
	if numbered {
		n, err := strconv.Atoi(digits)
		if err != nil || n < 1 || strconv.Itoa(n) != digits {
			return 0, false, false
		}
		number = n
	}
	return number, word == "latest", word == "latest" || word == "previous"
}

// statesIn lists the states in a folder, what counts most first: by number, and the latest before the previous.
func statesIn(dir string) (names []string) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil
	}
	for _, e := range entries {
		if _, _, ok := stateNumber(e.Name()); ok {
			names = append(names, e.Name())
		}
	}
	slices.SortFunc(names, func(a, b string) int {
		x, latestX, _ := stateNumber(a)
		y, latestY, _ := stateNumber(b)
		switch {
		case x != y:
			return y - x
		case latestX:
			return -1
		case latestY:
			return 1
		}
		return 0
	})
	return names
}

// stateKey is the entry of the file's metadata that holds a runState, momentsName the tensor of every rank's own running
// moments, residualName that of a rank's residuals, and factorsName that of PowerSGD's factors.
const (
	stateKey     = "run"
	momentsName  = "moments_by_rank"
	residualName = "residual_of_rank_%d"
	factorsName  = "powersgd_factors"
)

// runState is what a training state's file says besides its tensors.
type runState struct {
	train.State
	Data string  `json:"data"` // hash of the data set
	Best float64 `json:"best"` // test accuracy so far, -1 before the first evaluation
}

// writeState keeps a state, and the one that was there under the name previous, unless that is empty. What is there stays until the new
// one is whole.
func writeState(path, previous string, meta checkpoint.Meta, params *nn.Params, s runState) error {
	block, err := json.Marshal(s)
	if err != nil {
		return err
	}
	meta.Extra = map[string]string{stateKey: string(block)}
	err = report.WriteFileKeeping(path, previous, func(w io.Writer) error {
		return checkpoint.WriteTraining(w, meta, StateDict(params, s.Steps), stateTensors(params, &s.State))
	})
	if err != nil {
		return fmt.Errorf("writing the run's state %s: %w", path, err)
	}
	return nil
}

// isResidual says whether a tensor is a rank's residuals.
func isResidual(name string) bool {
	var rank int
	n, _ := fmt.Sscanf(name, residualName, &rank)
	return n == 1
}

// stateTensors are where a state's tensors besides the model's come from or go to: what the optimizer keeps by kind, in the
// parameters' order, all ranks' running moments and residuals, and PowerSGD's factors.
func stateTensors(params *nn.Params, s *train.State) []checkpoint.Tensor {
	var all []checkpoint.Tensor
	for _, m := range s.Optimizer {
		for _, p := range params.List {
			all = append(all, checkpoint.Tensor{Name: m.Kind + "." + p.Name, Shape: p.Shape, Data: m.Values[p.Offset : p.Offset+p.Len]})
		}
	}
	if len(s.Moments) > 0 {
		all = append(all, checkpoint.Tensor{Name: momentsName, Shape: []int{s.WorldSize, len(s.Moments) / s.WorldSize}, Data: s.Moments})
	}
	for rank, v := range s.Residuals {
		all = append(all, checkpoint.Tensor{Name: fmt.Sprintf(residualName, rank), Shape: []int{len(v)}, Data: v})
	}
	if len(s.Factors) > 0 {
		all = append(all, checkpoint.Tensor{Name: factorsName, Shape: []int{len(s.Factors)}, Data: s.Factors})
	}
	return all
}
