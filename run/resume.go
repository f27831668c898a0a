package run

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"ringloom/allreduce"
	"ringloom/checkpoint"
	"ringloom/models"
	"ringloom/nn"
	"ringloom/nn/purego"
	"ringloom/train"
	"ringloom/train/gradsync"
)

// Resumption is a run to go on with. Only the leader needs its file. It is for one Node.
type Resumption struct {
	path    string // of the file
	hash    string // of its content; empty where there is none
	dir     string // the run directory that it lies in; empty where it lies elsewhere
	instead error  // why the file that was meant is not taken, where this is the state before it
	run     runState
	meta    checkpoint.Meta

	model, optimizer []checkpoint.Tensor
}

// OpenResumption reads the state at path, a run directory or a file. Where a run's last state is damaged, or missing, the one before is
// taken, and Node says so. Where there is none it returns one that is not Here. Errors are DataErrors.
func OpenResumption(path string) (*Resumption, error) {
	r := &Resumption{path: path}
	var others []string // that may take its place
	if isDir(path) {
		r.path = filepath.Join(path, StateFile)
		if others = statesIn(path); len(others) > 0 {
			r.path, others = filepath.Join(path, others[0]), others[1:]
		} else {
			others = []string{PreviousStateFile}
		}
	} else if number, latest, ok := stateNumber(path); ok && latest {
		_, previous := stateFiles(number)
		others = []string{previous}
	}
	err := r.read()
	if err != nil {
		for _, name := range others {
			before := &Resumption{path: filepath.Join(filepath.Dir(r.path), name), instead: err}
			if before.read() == nil {
				return before, nil
			}
		}
	}
	switch {
	case errors.Is(err, os.ErrNotExist):
		return &Resumption{path: r.path}, nil
	case errors.As(err, new(*fs.PathError)): // it names the file
		return nil, DataError{settingError("resume", ": %w", err)}
	case err != nil:
		return nil, r.error(err)
	}
	return r, nil
}

// read reads and validates the file.
func (r *Resumption) read() error {
	file, err := os.Open(r.path)
	if err != nil {
		return err
	}
	defer file.Close()
	hash := sha256.New()
	meta, tensors, err := checkpoint.Read(io.TeeReader(file, hash))
	if err != nil {
		return err
	}
	block, ok := meta.Extra[stateKey]
	if !ok || meta.Foreign {
		return errors.New("it holds parameters alone, not the state of a run: start from them with --init")
	}
	r.meta = meta
	r.model, r.optimizer = checkpoint.Split(tensors)
	if err := r.run.parse([]byte(block)); err != nil {
		return fmt.Errorf("%w: its entry %q: %v", checkpoint.ErrFormat, stateKey, err)
	}
	if err := r.validate(); err != nil {
		return fmt.Errorf("%w: %w", checkpoint.ErrFormat, err)
	}
	r.hash = fmt.Sprintf("%x", hash.Sum(nil))
	if _, err := os.Stat(filepath.Join(filepath.Dir(r.path), "config.json")); err == nil {
		r.dir = filepath.Dir(r.path)
	}
	return nil
}

func (r *Resumption) error(err error) error {
	return DataError{settingError("resume", " %s: %w", r.path, err)}
}

// Here reports whether this node has the file. A nil Resumption has none.
func (r *Resumption) Here() bool { return r != nil && r.hash != "" }

// Config is what the run was trained with, where the file is Here.
func (r *Resumption) Config() train.Config { return r.run.Config }

// missing is the error of a node that needs the file and does not have it, for it is alone.
func (r *Resumption) missing() error {
	return r.error(fmt.Errorf("no such file: give a run directory that holds %s, or such a file", StateFile))
}

// check refuses to go on with other settings than a run can bear, or with a run that is complete, and returns those that
// differ otherwise. samples is the size of the training set.
func (r *Resumption) check(c train.Config, dataHash string, samples int) (changed []string, err error) {
	var fixed, wrong []string
	compare := func(label, was, now string, may train.OnResume) {
		difference := fmt.Sprintf("%s %s (here %s)", label, was, now)
		if may == train.MustAgree {
			fixed = append(fixed, label)
		}
		switch {
		case was == now || may == train.ChangesNothing:
		case may == train.MustAgree:
			wrong = append(wrong, difference)
		default:
			changed = append(changed, difference)
		}
	}
	for _, s := range train.Settings() {
		compare(s.Label, s.Value(r.run.Config), s.Value(c), s.Resume)
	}
	compare("data", r.run.Data, dataHash, train.MustAgree)
	if len(wrong) == 0 {
		if err := r.run.ValidateSteps(r.run.Config.StepsPerEpoch(samples)); err != nil {
			return nil, r.error(fmt.Errorf("%w: %w", checkpoint.ErrFormat, err))
		}
	}
	if len(wrong) > 0 {
		return nil, r.error(fmt.Errorf("the run has %s: leave these flags out; %s must stay as they were, while epochs, learning rate, all others and the number of ranks may change",
			strings.Join(wrong, ", "), strings.Join(fixed, ", ")))
	}
	if all := c.LastStep(samples); r.run.Steps >= all {
		return nil, UsageError{settingError("resume", " %s: it is complete: step %d of %d is done; raise --epochs (now %d) or --max-steps (now %d)",
			r.path, r.run.Steps, all, c.Epochs, c.MaxSteps)}
	}
	return changed, nil
}

// fill copies the state into a model's parameters, and into memory of its own for the rest; the model's part first.
func (r *Resumption) fill(params *nn.Params) error {
	if err := checkpoint.Fit(r.run.Config.Model, StateDict(params, 0), r.meta, r.model); err != nil {
		return r.error(err)
	}
	// No more than the file has, whatever it says of itself.
	moments, residuals := len(params.StateValues.Host), 0
	for _, t := range r.optimizer {
		if isResidual(t.Name) {
			residuals++
		}
	}
	r.run.Memory = train.NewMemory(r.run.Config, 1, params)
	if len(r.run.Residuals) > 0 {
		if residuals != r.run.WorldSize {
			return r.error(fmt.Errorf("%w: it has the residuals of %d ranks where there were %d", checkpoint.ErrMismatch, residuals, r.run.WorldSize))
		}
		for range residuals - 1 {
			r.run.Residuals = append(r.run.Residuals, make([]float32, params.Len()))
		}
	}
	if moments > 0 {
		i := slices.IndexFunc(r.optimizer, func(t checkpoint.Tensor) bool { return t.Name == momentsName })
		if i < 0 || !slices.Equal(r.optimizer[i].Shape, []int{r.run.WorldSize, moments}) {
			return r.error(fmt.Errorf("%w: it lacks %d running moments of each of the %d ranks", checkpoint.ErrMismatch, moments, r.run.WorldSize))
		}
	}
	r.run.Moments = make([]float32, r.run.WorldSize*moments)
	name := r.run.Config.Model + " with " + r.run.Config.Optimizer
	err := checkpoint.Fit(name, stateTensors(params, &r.run.State), checkpoint.Meta{}, r.optimizer)
	if err != nil {
		return r.error(err)
	}
	return r.checkVariances(params)
}

// checkVariances refuses a rank's running variance that is negative.
func (r *Resumption) checkVariances(params *nn.Params) error {
	all := len(params.StateValues.Host)
	for rank := range len(r.run.Moments) / max(1, all) {
		own := r.run.Moments[rank*all : (rank+1)*all]
		for _, s := range params.State {
			if s.Kind == "running_var" && slices.ContainsFunc(own[s.Offset:s.Offset+s.Len], func(v float32) bool { return v < 0 }) {
				return r.error(fmt.Errorf("%w: rank %d has a negative %s", checkpoint.ErrMismatch, rank, s.Name))
			}
		}
	}
	return nil
}

// try fills memory that is thrown away, to find what is wrong before any other node is bothered.
func (r *Resumption) try() error {
	spec, err := models.Lookup(r.run.Config.Model)
	if err != nil {
		return r.error(err)
	}
	scratch := purego.New()
	defer scratch.Close()
	params, err := spec.NewParams(scratch)
	if err != nil {
		return err
	}
	defer func(was runState) { r.run = was }(r.run)
	return r.fill(params)
}

// checkResumption looks at what is to go on, where this node has it, before any other node is bothered.
func (n *node) checkResumption() error {
	r := n.Resume
	if r == nil {
		return nil
	}
	if !r.Here() {
		n.emit(StateAbsent{File: r.path})
		return nil
	}
	if n.Member.joinsOnly() { // the run has gone on since then, and may have written this file; the others have what counts
		return nil
	}
	if r.instead != nil {
		n.emit(Warning{fmt.Sprintf("the run's last state cannot be used (%v); it goes on from the one before, %s, of step %d", r.instead, r.path, r.run.Steps)})
	}
	changed, err := r.check(n.Train, n.sets.Hash, n.sets.Train.N)
	if err != nil {
		return err
	}
	if len(changed) > 0 {
		n.emit(SettingsChanged{Had: changed})
	}
	return r.try()
}

// agreeOnResumption compares the files of all ranks that have one with the leader's.
func (n *node) agreeOnResumption(ctx context.Context, ring *allreduce.Group) error {
	if n.Resume == nil {
		return nil
	}
	hashes, err := ring.AllGatherBytes(ctx, []byte(n.Resume.hash))
	if err != nil {
		return fmt.Errorf("comparing what is resumed: %w", err)
	}
	leader := n.View.Leader
	for rank, h := range hashes {
		switch {
		case len(hashes[leader]) == 0:
			err = n.Resume.error(fmt.Errorf("rank %d leads and has no such file: give a run directory that holds %s, or such a file; where nodes have disks of their own, start the one that has it first",
				leader, StateFile))
		case len(h) > 0 && string(h) != string(hashes[leader]):
			err = n.Resume.error(fmt.Errorf("rank %d has another file (SHA-256 %.8s) than rank %d, which leads (%.8s): only the leader needs one", rank, h, leader, hashes[leader]))
		}
	}
	if err != nil {
		_ = ring.Barrier(ctx) // the slowest must leave its last collective before the first of all ends the view
		return AgreedError{err}
	}
	return nil
}

// resume makes the worker go on with the leader's file.
func (n *node) resume(worker *train.Worker) error {
	r := n.Resume
	if r == nil {
		return nil
	}
	if n.View.Leads() {
		if err := r.fill(worker.Params()); err != nil {
			return err
		}
		if err := worker.Resume(r.run.State); err != nil {
			return r.error(err)
		}
		r.run.Memory = gradsync.Memory{} // the worker's now, which lets go of it
		n.emit(Resuming{File: r.path, Step: r.run.Steps, Epoch: r.run.Epoch, WorldSize: r.run.WorldSize})
	}
	r.model, r.optimizer = nil, nil
	return nil
}
