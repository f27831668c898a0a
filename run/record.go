package run

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"ringloom/allreduce"
	"ringloom/checkpoint"
	"ringloom/cluster"
	"ringloom/internal/float32le"
	"ringloom/nn"
	"ringloom/report"
	"ringloom/train"
)

// What a run directory holds besides its state (StateFile).
const (
	BestFile  = "best.safetensors"  // parameters of the best test accuracy
	FinalFile = "final.safetensors" // parameters after the last epoch
)

// record is what a rank keeps of the run. Every rank has a log file; the leader has all the rest.
type record struct {
	n      *node
	params *nn.Params
	dir    *report.RunDir // nil but on the leader
	path   string
	log    *os.File
	best   float64
	last   train.Epoch
}

// runConfig is config.json.
type runConfig struct {
	Version   string           `json:"version"`
	Started   time.Time        `json:"started"`
	Train     train.Config     `json:"train"`
	WorldSize int              `json:"world_size"`
	Ranks     []cluster.Member `json:"ranks"`
	Ring      ringConfig       `json:"ring"`
	Resumed   *resumedFrom     `json:"resumed,omitempty"`
}

// ringConfig is how the gradients travelled, as the configuration said or Autotune found.
type ringConfig struct {
	Transport   string `json:"transport"` // as rank 0 sees it
	ChunkBytes  int    `json:"chunk_bytes"`
	WindowBytes int    `json:"window_bytes"`
	Rings       int    `json:"rings"`
	Autotuned   bool   `json:"autotuned"`
}

// resumedFrom says what a run went on with.
type resumedFrom struct {
	File      string `json:"file"`
	Step      int    `json:"step"`
	WorldSize int    `json:"world_size"`
}

// openRecord makes the run directory on the leader, whose choice of the path the others follow. A run that goes on does so
// in its own directory, unless the configuration names another.
func (n *node) openRecord(ctx context.Context, ring *allreduce.Group) (*record, error) {
	r := &record{n: n, path: n.RunDir, best: -1}
	if n.View.Leads() {
		if r.path == "" && n.Resume.Here() {
			r.path = n.Resume.dir
		}
		if r.path == "" {
			r.path = filepath.Join("runs", fmt.Sprintf("%s-%s-n%d", time.Now().Format("20060102-150405.000"), n.Train.Model, n.View.WorldSize()))
		}
		if err := r.openDir(ring); err != nil {
			return nil, err
		}
	}
	path, err := ring.BroadcastBytes(ctx, []byte(r.path), n.View.Leader)
	if err != nil {
		return nil, fmt.Errorf("agreeing on the run directory: %w", err)
	}
	r.path = string(path)
	if n.RunDir != "" {
		r.path = n.RunDir
	}
	if err := os.MkdirAll(r.path, 0o755); err != nil {
		return nil, fmt.Errorf("making the run directory: %w", err)
	}
	r.log, err = os.OpenFile(filepath.Join(r.path, fmt.Sprintf("rank-%d.log", n.View.Rank)), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, fmt.Errorf("making the log file: %w", err)
	}
	n.emit(Recording{Dir: r.path, Log: r.log})
	return r, nil
}

// openDir makes the run directory, or opens that of the run that goes on.
func (r *record) openDir(ring *allreduce.Group) (err error) {
	n := r.n
	config := runConfig{Version: n.Version, Started: time.Now(), Train: n.Train, WorldSize: n.View.WorldSize(), Ranks: n.View.Members,
		Ring: ringConfig{ring.Describe(), n.Ring.ChunkBytes, n.Ring.WindowBytes, n.Ring.Rings, n.Autotune}}
	from := n.Resume
	if !from.Here() {
		r.dir, err = createRunDir(r.path, config)
		return err
	}
	config.Resumed = &resumedFrom{from.path, from.run.Steps, from.run.WorldSize}
	r.best = from.run.Best
	r.last = train.Epoch{Number: from.meta.Epoch, Steps: from.run.Steps, TestAccuracy: from.meta.TestAccuracy}
	if from.dir != "" && sameDir(r.path, from.dir) {
		r.dir, err = report.ContinueRunDir(r.path, config, from.run.Steps, from.run.Epoch)
		return err
	}
	if r.dir, err = createRunDir(r.path, config); err != nil {
		return err
	}
	// The best parameters so far lie beside the state.
	best, err := os.ReadFile(filepath.Join(filepath.Dir(from.path), BestFile))
	if errors.Is(err, os.ErrNotExist) {
		r.best = -1
		return nil
	}
	if err != nil {
		return err
	}
	return report.WriteFileAtomic(filepath.Join(r.path, BestFile), func(w io.Writer) error {
		_, err := w.Write(best)
		return err
	})
}

// createRunDir makes a new run directory, which the configuration may have named wrongly.
func createRunDir(path string, config runConfig) (*report.RunDir, error) {
	dir, err := report.CreateRunDir(path, config)
	if errors.Is(err, report.ErrRunExists) {
		err = UsageError{err}
	}
	return dir, err
}

// sameDir reports whether two paths are of one directory; one that does not exist is no other's.
func sameDir(a, b string) bool {
	x, err := os.Stat(a)
	if err != nil {
		return false
	}
	y, err := os.Stat(b)
	return err == nil && os.SameFile(x, y)
}

// epoch says how the epoch went, and keeps its metrics and the best parameters.
func (r *record) epoch(e train.Epoch) error {
	r.last = e
	r.n.emit(Epoch{e})
	if r.dir == nil {
		return nil
	}
	speed := 0.0
	for _, rank := range e.Ranks {
		speed += rank.ImagesPerSecond()
	}
	err := r.dir.Append(report.Metrics{
		Epoch: e.Number, Step: e.Steps, Loss: e.Loss, TrainAccuracy: e.TrainAccuracy, TestAccuracy: e.TestAccuracy,
		Seconds: e.Seconds, ImagesPerSecond: speed, StepLoss: e.StepLoss, Ranks: e.Ranks,
		LearningRate: e.LearningRate, GradNormMean: e.NormMean, GradNormMax: e.NormMax,
	})
	if err != nil {
		return err
	}
	if e.TestAccuracy > r.best {
		r.best = e.TestAccuracy
		return r.save(BestFile)
	}
	return nil
}

// state keeps all that the run needs to go on. The previous file stays until the new one is whole.
func (r *record) state(s train.State) error {
	if r.dir == nil {
		return nil
	}
	begin := time.Now()
	path := filepath.Join(r.path, StateFile)
	meta := checkpoint.Meta{Model: r.n.Train.Model, Epoch: r.last.Number, Step: s.Steps, TestAccuracy: r.last.TestAccuracy}
	if err := writeState(path, meta, r.params, runState{s, r.n.sets.Hash, r.best}); err != nil {
		return err
	}
	r.n.emit(Checkpoint{File: path, Step: s.Steps, Took: time.Since(begin)})
	return nil
}

// finish keeps the final parameters, and says their hash, which is the same on all ranks.
func (r *record) finish() (Result, error) {
	result := Result{
		Rank: r.n.View.Rank, WorldSize: r.n.View.WorldSize(), Steps: r.last.Steps, RunDir: r.path,
		TestAccuracy: r.last.TestAccuracy, BestAccuracy: r.best, ParametersSHA256: hashParams(r.params),
	}
	if r.dir != nil {
		if err := r.save(FinalFile); err != nil {
			return result, err
		}
	}
	r.n.emit(Finished{result})
	return result, nil
}

func (r *record) save(name string) error {
	meta := checkpoint.Meta{Model: r.n.Train.Model, Epoch: r.last.Number, Step: r.last.Steps, TestAccuracy: r.last.TestAccuracy}
	path := filepath.Join(r.path, name)
	err := report.WriteFileAtomic(path, func(w io.Writer) error { return checkpoint.Write(w, meta, StateDict(r.params, r.last.Steps)) })
	if err != nil {
		return fmt.Errorf("writing checkpoint %s: %w", path, err)
	}
	return nil
}

func (r *record) close() error {
	r.n.emit(RecordClosed{}) // before: nobody writes to a closed file
	err := r.log.Close()
	if r.dir != nil {
		err = errors.Join(err, r.dir.Close())
	}
	return err
}

func hashParams(p *nn.Params) string {
	h := sha256.New()
	_ = float32le.Write(h, p.Values.Host) // a hash takes everything
	return fmt.Sprintf("%x", h.Sum(nil)[:8])
}
