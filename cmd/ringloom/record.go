package main

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"go.uber.org/zap"

	"ringloom/allreduce"
	"ringloom/checkpoint"
	"ringloom/cluster"
	"ringloom/nn"
	"ringloom/report"
	"ringloom/train"
)

// bestFile holds the parameters of the best test accuracy.
const bestFile = "best.safetensors"

// record is what a rank keeps and shows of the run. Every rank has a log file; the leader has all the rest.
type record struct {
	n        *node
	params   *nn.Params
	dir      *report.RunDir // nil but on the leader
	path     string
	log      *os.File
	progress *report.Progress
	best     float64
	last     train.Epoch
}

// runConfig is config.json.
type runConfig struct {
	Version string           `json:"version"`
	Started time.Time        `json:"started"`
	Train   train.Config     `json:"train"`
	World   int              `json:"world"`
	Ranks   []cluster.Member `json:"ranks"`
	Ring    ringConfig       `json:"ring"`
	Resumed *resumedFrom     `json:"resumed,omitempty"`
}

// ringConfig is how the gradients travelled, as flags or --autotune said.
type ringConfig struct {
	Transport   string `json:"transport"` // as rank 0 sees it
	ChunkBytes  int    `json:"chunk_bytes"`
	WindowBytes int    `json:"window_bytes"`
	Rings       int    `json:"rings"`
	Autotuned   bool   `json:"autotuned"`
}

// resumedFrom says what a run went on with.
type resumedFrom struct {
	File  string `json:"file"`
	Step  int    `json:"step"`
	World int    `json:"world"`
}

// openRecord makes the run directory on the leader, whose choice of the path the others follow. A run that goes on does so
// in its own directory, unless --run-dir names another.
func (n *node) openRecord(ctx context.Context, ring *allreduce.Group) (*record, error) {
	r := &record{n: n, path: n.runDir, best: -1}
	if n.view.Leads() {
		if r.path == "" && n.resumed.here() {
			r.path = n.resumed.dir
		}
		if r.path == "" {
			r.path = filepath.Join("runs", fmt.Sprintf("%s-%s-n%d", time.Now().Format("20060102-150405.000"), n.Model, n.view.WorldSize()))
		}
		if err := r.openDir(ring); err != nil {
			return nil, err
		}
		r.progress = report.NewProgress(os.Stderr, n.human)
	}
	path, err := ring.BroadcastBytes(ctx, []byte(r.path), n.view.Leader)
	if err != nil {
		return nil, fmt.Errorf("agreeing on the run directory: %w", err)
	}
	r.path = string(path)
	if n.runDir != "" {
		r.path = n.runDir
	}
	if err := os.MkdirAll(r.path, 0o755); err != nil {
		return nil, fmt.Errorf("making the run directory: %w", err)
	}
	r.log, err = os.OpenFile(filepath.Join(r.path, fmt.Sprintf("rank-%d.log", n.view.Rank)), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, fmt.Errorf("making the log file: %w", err)
	}
	n.logger = report.NewLogger(os.Stderr, n.human, n.debug, r.log)
	return r, nil
}

// openDir makes the run directory, or opens that of the run that goes on.
func (r *record) openDir(ring *allreduce.Group) (err error) {
	n := r.n
	config := runConfig{Version: version, Started: time.Now(), Train: n.Config, World: n.view.WorldSize(), Ranks: n.view.Members,
		Ring: ringConfig{ring.Describe(), int(n.chunkBytes), int(n.windowBytes), n.rings, n.autotune}}
	from := n.resumed
	if !from.here() {
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
	best, err := os.ReadFile(filepath.Join(filepath.Dir(from.path), bestFile))
	if errors.Is(err, os.ErrNotExist) {
		r.best = -1
		return nil
	}
	if err != nil {
		return err
	}
	return report.WriteFileAtomic(filepath.Join(r.path, bestFile), func(w io.Writer) error {
		_, err := w.Write(best)
		return err
	})
}

// createRunDir makes a new run directory, which the command line may have named wrongly.
func createRunDir(path string, config runConfig) (*report.RunDir, error) {
	dir, err := report.CreateRunDir(path, config)
	if errors.Is(err, report.ErrRunExists) {
		err = usageError{err}
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

// step shows progress.
func (r *record) step(s train.Step) {
	if r.progress != nil {
		r.progress.Step(s.Epoch, s.Step, s.Steps, s.Loss)
	}
}

// epoch prints the epoch and keeps the best parameters.
func (r *record) epoch(e train.Epoch) error {
	r.last = e
	if r.dir == nil {
		return nil
	}
	rows := make([]report.RankRow, len(e.Ranks))
	speed := 0.0
	for i, t := range e.Ranks {
		m := r.n.view.Members[i]
		rows[i] = report.RankRow{
			Rank: i, Node: m.Name, Device: m.Device, Images: t.Samples, Data: t.Data, Forward: t.Forward,
			Backward: t.Backward, ExposedComm: t.ExposedComm, Optimizer: t.Optimizer, Eval: t.Evaluation, Total: t.Total,
		}
		speed += t.ImagesPerSecond()
	}
	fmt.Fprintln(r.n.out, report.EpochLine(e.Number, e.Loss, e.TrainAccuracy, e.TestAccuracy, e.Seconds))
	if r.n.Schedule != "constant" || r.n.WarmupEpochs > 0 || r.n.ClipNorm > 0 {
		fmt.Fprintln(r.n.out, report.UpdateLine(e.LearningRate, e.NormMean, e.NormMax))
	}
	fmt.Fprint(r.n.out, report.Table(rows))
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
		return r.save(bestFile)
	}
	return nil
}

// state keeps all that the run needs to go on. The previous file stays until the new one is whole.
func (r *record) state(s train.State) error {
	if r.dir == nil {
		return nil
	}
	begin := time.Now()
	block, err := json.Marshal(runState{s, r.n.sets.hash, r.best})
	if err != nil {
		return err
	}
	meta := checkpoint.Meta{
		Model: r.n.Model, Epoch: r.last.Number, Step: s.Steps, TestAccuracy: r.last.TestAccuracy,
		Extra: map[string]string{stateKey: string(block)},
	}
	path := filepath.Join(r.path, stateFile)
	err = report.WriteFileAtomic(path, func(w io.Writer) error {
		return checkpoint.WriteTraining(w, meta, tensorsOf(r.params, s.Steps), stateTensors(r.params, &s))
	})
	if err != nil {
		return fmt.Errorf("writing the run's state %s: %w", path, err)
	}
	r.n.logger.Debug("kept the run's state", zap.String("file", path), zap.Int("step", s.Steps), zap.Duration("took", time.Since(begin)))
	return nil
}

// finish keeps the final parameters and logs their hash, which is the same on all ranks.
func (r *record) finish() error {
	if r.dir != nil {
		if err := r.save("final.safetensors"); err != nil {
			return err
		}
		fmt.Fprintf(r.n.out, "run %s: final test acc %.3f, best %.3f; parameters sha256 %s\n", r.path, r.last.TestAccuracy, r.best, hashParams(r.params))
	}
	r.n.logger.Info("finished", zap.Int("rank", r.n.view.Rank), zap.Int("steps", r.last.Steps), zap.String("parameters_sha256", hashParams(r.params)))
	return nil
}

func (r *record) save(name string) error {
	meta := checkpoint.Meta{Model: r.n.Model, Epoch: r.last.Number, Step: r.last.Steps, TestAccuracy: r.last.TestAccuracy}
	path := filepath.Join(r.path, name)
	err := report.WriteFileAtomic(path, func(w io.Writer) error { return checkpoint.Write(w, meta, tensorsOf(r.params, r.last.Steps)) })
	if err != nil {
		return fmt.Errorf("writing checkpoint %s: %w", path, err)
	}
	return nil
}

func (r *record) close() error {
	err := r.log.Close()
	if r.dir != nil {
		err = errors.Join(err, r.dir.Close())
	}
	// The file is closed: what is logged from now on goes to the terminal alone.
	r.n.logger = report.NewLogger(os.Stderr, r.n.human, r.n.debug, nil)
	return err
}

func hashParams(p *nn.Params) string {
	h := sha256.New()
	binary.Write(h, binary.LittleEndian, p.Values.Host)
	return fmt.Sprintf("%x", h.Sum(nil)[:8])
}
