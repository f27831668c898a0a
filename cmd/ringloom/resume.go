package main

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/pflag"
	"go.uber.org/zap"

	"ringloom/allreduce"
	"ringloom/checkpoint"
	"ringloom/models"
	"ringloom/nn"
	"ringloom/nn/purego"
	"ringloom/train"
	"ringloom/train/gradsync"
)

// stateFile is where a run directory keeps what the run needs to go on.
const stateFile = "latest.training.safetensors"

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

// resumption is a run to go on with. Only the leader needs its file.
type resumption struct {
	path string // of the file
	hash string // of its content; empty where there is none
	dir  string // the run directory that it lies in; empty where it lies elsewhere
	run  runState
	meta checkpoint.Meta

	model, optimizer []checkpoint.Tensor
}

// openResumption reads the state at path, a run directory or a file. Where there is none it returns one without hash.
func openResumption(path string) (*resumption, error) {
	r := &resumption{path: path}
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		r.path = filepath.Join(path, stateFile)
	}
	file, err := os.Open(r.path)
	if errors.Is(err, os.ErrNotExist) {
		return r, nil
	}
	if err != nil {
		return nil, dataError{fmt.Errorf("--resume: %w", err)}
	}
	defer file.Close()
	hash := sha256.New()
	meta, tensors, err := checkpoint.Read(io.TeeReader(file, hash))
	if err != nil {
		return nil, r.error(err)
	}
	block, ok := meta.Extra[stateKey]
	if !ok {
		return nil, r.error(errors.New("it holds parameters alone, not the state of a run: start from them with --init"))
	}
	r.run.Config = train.DefaultConfig() // for settings that are younger than the file
	if err := json.Unmarshal([]byte(block), &r.run); err != nil {
		return nil, r.error(fmt.Errorf("%w: its entry %q: %v", checkpoint.ErrFormat, stateKey, err))
	}
	r.meta, r.hash = meta, fmt.Sprintf("%x", hash.Sum(nil))
	r.model, r.optimizer = checkpoint.Split(tensors)
	if _, err := os.Stat(filepath.Join(filepath.Dir(r.path), "config.json")); err == nil {
		r.dir = filepath.Dir(r.path)
	}
	return r, nil
}

func (r *resumption) error(err error) error {
	return dataError{fmt.Errorf("--resume %s: %w", r.path, err)}
}

// here reports whether this node has the file.
func (r *resumption) here() bool { return r != nil && r.hash != "" }

// settle takes every setting from the run that the command line does not give. --max-steps ends a command, not the run,
// and is not taken.
func (r *resumption) settle(c *train.Config, given *pflag.FlagSet) error {
	merged := r.run.Config
	merged.MaxSteps = 0
	flags := pflag.NewFlagSet("", pflag.ContinueOnError)
	configFlags(flags, &merged)
	var err error
	given.Visit(func(f *pflag.Flag) {
		if flags.Lookup(f.Name) != nil {
			err = errors.Join(err, flags.Set(f.Name, f.Value.String()))
		}
	})
	*c = merged
	return err
}

// mustAgree are the settings that give the file its meaning: the rest may change.
var mustAgree = []string{"model", "data", "seed", "global batch", "optimizer"}

// withoutEffect are those that change no number.
var withoutEffect = []string{"max steps", "check every", "checkpoint every"}

// check refuses to go on with other settings than a run can bear, or with a run that is complete, and returns those that
// differ otherwise. samples is the size of the training set.
func (r *resumption) check(c train.Config, dataHash string, samples int) (changed []string, err error) {
	was := append(configDigest(r.run.Config), field("data", r.run.Data))
	now := append(configDigest(c), field("data", dataHash))
	var wrong []string
	for i, f := range was {
		difference := fmt.Sprintf("%s %s (here %s)", f.Name, f.Value, now[i].Value)
		switch {
		case f.Value == now[i].Value || slices.Contains(withoutEffect, f.Name):
		case slices.Contains(mustAgree, f.Name):
			wrong = append(wrong, difference)
		default:
			changed = append(changed, difference)
		}
	}
	if len(wrong) > 0 {
		return nil, r.error(fmt.Errorf("the run has %s: leave these flags out; %s must stay as they were, while epochs, learning rate, all others and the number of ranks may change",
			strings.Join(wrong, ", "), strings.Join(mustAgree, ", ")))
	}
	all := c.Epochs * c.StepsPerEpoch(samples)
	if c.MaxSteps > 0 {
		all = min(all, c.MaxSteps)
	}
	if r.run.Steps >= all {
		return nil, usageError{fmt.Errorf("--resume %s: it is complete: step %d of %d is done; raise --epochs (now %d) or --max-steps (now %d)",
			r.path, r.run.Steps, all, c.Epochs, c.MaxSteps)}
	}
	return changed, nil
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

// fill copies the state into a model's parameters, and into memory of its own for the rest; the model's part first.
func (r *resumption) fill(params *nn.Params) error {
	r.run.Moments = make([]float32, r.run.WorldSize*len(params.StateValues.Host))
	r.run.Memory = train.NewMemory(r.run.Config, r.run.WorldSize, params)
	if err := checkpoint.Fit(r.run.Config.Model, tensorsOf(params, 0), r.meta, r.model); err != nil {
		return r.error(err)
	}
	name := r.run.Config.Model + " with " + r.run.Config.Optimizer
	err := checkpoint.Fit(name, stateTensors(params, &r.run.State), checkpoint.Meta{}, r.optimizer)
	if err != nil {
		return r.error(err)
	}
	return nil
}

// try fills memory that is thrown away, to find what is wrong before any other node is bothered.
func (r *resumption) try() error {
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

// agreeOnResumption compares the files of all ranks that have one with the leader's.
func (n *node) agreeOnResumption(ctx context.Context, ring *allreduce.Group) error {
	if n.resumed == nil {
		return nil
	}
	hashes, err := ring.AllGatherBytes(ctx, []byte(n.resumed.hash))
	if err != nil {
		return fmt.Errorf("comparing what is resumed: %w", err)
	}
	leader := n.view.Leader
	for rank, h := range hashes {
		switch {
		case len(hashes[leader]) == 0:
			err = n.resumed.error(fmt.Errorf("rank %d leads and has no such file: give a run directory that holds %s, or such a file; where nodes have disks of their own, start the one that has it first",
				leader, stateFile))
		case len(h) > 0 && string(h) != string(hashes[leader]):
			err = n.resumed.error(fmt.Errorf("rank %d has another file (SHA-256 %.8s) than rank %d, which leads (%.8s): only the leader needs one", rank, h, leader, hashes[leader]))
		}
	}
	if err != nil {
		_ = ring.Barrier(ctx) // the slowest must leave its last collective before the first of all ends the view
		return agreedError{err}
	}
	return nil
}

// resume makes the worker go on with the leader's file.
func (n *node) resume(worker *train.Worker) error {
	r := n.resumed
	if r == nil {
		return nil
	}
	if n.view.Leads() {
		if err := r.fill(worker.Params()); err != nil {
			return err
		}
		if err := worker.Resume(r.run.State); err != nil {
			return r.error(err)
		}
		r.run.Memory = gradsync.Memory{} // the worker's now, which lets go of it
		n.logger.Info("resuming", zap.String("file", r.path), zap.Int("step", r.run.Steps), zap.Int("epoch", r.run.Epoch),
			zap.Int("ranks_before", r.run.WorldSize))
	}
	r.model, r.optimizer = nil, nil
	return nil
}
