package run

import (
	"context"
	"crypto/sha256"
	"encoding/json"
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
//
// A full disk or a lack of descriptors may pass: what cannot be written before the end is a warning, and is tried again at the next
// checkpoint or epoch. What is still missing at the end fails the run.
type record struct {
	n       *node
	dir     *report.RunDir // nil but on the leader
	path    string
	log     *os.File
	best    float64 // test accuracy so far; on the leader that of BestFile
	last    train.Epoch
	number  int    // of this leader's states (stateFiles)
	travels string // how frames do
	base    int    // the number of the run's first leader: above 0 where it goes on in the folder of an elastic one

	spoiled bool  // the state that lies there is damaged, and is not to take the place of the one before
	noState error // why the last state is not kept; nil where it is
	noBest  struct {
		accuracy float64
		err      error // why the parameters of that accuracy are not kept; nil where they are
	}
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

// openRecord brings the record into a view. In the first, the leader makes the run directory, whose name the others follow, each below a
// folder of its own user's; a run that goes on does so in its own directory, unless the configuration names another. In a later one who leads
// now takes the record over, and who has joined learns where it is.
func (n *node) openRecord(ctx context.Context, ring *allreduce.Group) (_ *record, err error) {
	r := n.record
	if r == nil {
		r = &record{n: n, path: n.RunDir, best: -1}
		defer func() {
			if err != nil && r.dir != nil {
				err = errors.Join(err, r.dir.Close())
			}
		}()
	}
	r.travels = ring.Describe()
	var block []byte
	if n.View.Leads() {
		if n.record != nil {
			r.takeOver()
		} else if err := r.start(); err != nil {
			return nil, err
		}
		if block, err = json.Marshal(n.announced(r)); err != nil {
			return n.record, err
		}
	}
	if block, err = ring.BroadcastBytes(ctx, block, n.View.Leader); err != nil {
		return n.record, fmt.Errorf("agreeing on the run directory: %w", err)
	}
	if n.record != nil {
		return r, nil
	}
	return r, r.openLog(block)
}

// start chooses the run's directory, and makes or opens it.
func (r *record) start() error {
	n := r.n
	if r.path == "" && n.Resume.Here() {
		r.path = n.Resume.dir
	}
	if r.path == "" {
		if err := checkRuns(); err != nil {
			return err
		}
		r.path = filepath.Join(runsDir, n.newName())
	}
	return r.openDir()
}

// openLog opens this rank's file of the log, where the leader has announced the run's folder.
func (r *record) openLog(announced []byte) (err error) {
	n := r.n
	var root *os.Root
	if r.dir != nil {
		root, err = os.OpenRoot(r.path)
	} else {
		root, err = r.follow(announced)
	}
	if err != nil {
		return fmt.Errorf("making the run directory: %w", err)
	}
	defer root.Close()
	if r.log, err = report.OpenAppend(root, fmt.Sprintf("rank-%d.log", n.View.Rank)); err != nil {
		return fmt.Errorf("making the log file: %w", err)
	}
	n.emit(Recording{Dir: r.path, Log: r.log})
	r.warnUnlocked()
	return nil
}

func (r *record) warnUnlocked() {
	if r.dir != nil && r.dir.Unlocked != nil {
		r.n.emit(Warning{r.dir.Unlocked.Error()})
	}
}

// takeOver makes this rank the one that keeps the record, unless it is already. Where that fails it is tried again with the next state.
func (r *record) takeOver() {
	n := r.n
	if r.dir != nil {
		return
	}
	from := r.last.Number // was told to all, and perhaps not written any more
	if from == 0 {
		from = n.aligned.Ended/n.Train.StepsPerEpoch(n.sets.Train.N) + 1
	}
	dir, err := report.TakeOverRunDir(r.path, r.config(), n.aligned.Steps, from)
	if err != nil {
		r.later("the next checkpoint", fmt.Errorf("taking over the run's record: %w", err))
		return
	}
	r.dir, r.number = dir, r.base+int(n.View.Generation)-1
	r.warnUnlocked()
	if r.last.Number > 0 {
		r.append(r.last)
	}
}

// openDir makes the run directory, or opens that of the run that goes on.
func (r *record) openDir() (err error) {
	n := r.n
	config := r.config()
	from := n.Resume
	if !from.Here() {
		r.dir, err = createRunDir(r.path, config)
		return err
	}
	config.Resumed = &resumedFrom{from.path, from.run.Steps, from.run.WorldSize}
	r.best = from.run.Best
	r.last = train.Epoch{Number: from.meta.Epoch, Steps: from.run.Steps, TestAccuracy: from.meta.TestAccuracy}
	if from.dir != "" && sameDir(r.path, from.dir) {
		r.spoiled = from.instead != nil
		r.base, _, _ = stateNumber(from.path)
		r.number = r.base
		r.dir, err = report.ContinueRunDir(r.path, config, from.run.Steps, from.run.Epoch)
		return usedElsewhere(err)
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

// config is what config.json has in this view.
func (r *record) config() runConfig {
	n := r.n
	return runConfig{Version: n.Version, Started: time.Now(), Train: n.Train, WorldSize: n.View.WorldSize(), Ranks: n.View.Members,
		Ring: ringConfig{r.travels, n.Ring.ChunkBytes, n.Ring.WindowBytes, n.Ring.Rings, n.Autotune}}
}

// createRunDir makes a new run directory, which the configuration may have named wrongly.
func createRunDir(path string, config runConfig) (*report.RunDir, error) {
	dir, err := report.CreateRunDir(path, config)
	if errors.Is(err, report.ErrRunExists) {
		err = UsageError{err}
	}
	return dir, usedElsewhere(err)
}

// usedElsewhere makes an error of the configuration of a run directory that another run writes to.
func usedElsewhere(err error) error {
	if errors.As(err, new(*report.InUseError)) {
		return UsageError{err}
	}
	return err
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
		r.best = max(r.best, e.TestAccuracy)
		return nil
	}
	r.append(e)
	if e.TestAccuracy > r.best {
		r.saveBest()
	}
	return nil
}

// append keeps an epoch's metrics.
func (r *record) append(e train.Epoch) {
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
		r.later("the next epoch", err)
	}
}

// saveBest keeps the parameters of the last epoch as the best.
func (r *record) saveBest() {
	accuracy := r.last.TestAccuracy
	if err := r.save(BestFile); err != nil {
		if r.noBest.err == nil || accuracy > r.noBest.accuracy {
			r.noBest.accuracy, r.noBest.err = accuracy, err
		}
		r.later("the next epoch that is better than those kept", err)
		return
	}
	if r.best = accuracy; accuracy >= r.noBest.accuracy {
		r.noBest.err = nil
	}
}

// later says what could not be written.
func (r *record) later(when string, err error) {
	r.n.emit(Warning{fmt.Sprintf("%v: the run goes on, and tries again at %s", err, when)})
}

// state keeps all that the run needs to go on, and the state before it.
func (r *record) state(s train.State) error {
	if r.n.View.Leads() {
		r.takeOver()
	}
	if r.dir == nil {
		return nil
	}
	begin := time.Now()
	// A run whose state says that it is complete cannot be resumed, so what it was for must be there before. Who is killed in
	// between goes on from the state before.
	if r.n.Train.LastStep(r.n.sets.Train.N) == s.Steps && r.last.Steps == s.Steps {
		if err := r.save(FinalFile); err != nil {
			r.later("the end", err)
		}
	}
	latest, previous := stateFiles(r.number)
	path := filepath.Join(r.path, latest)
	meta := checkpoint.Meta{Model: r.n.Train.Model, Epoch: r.last.Number, Step: s.Steps, TestAccuracy: r.last.TestAccuracy}
	_, before := os.Stat(path)
	if r.spoiled {
		previous = ""
	}
	r.noState = writeState(path, previous, meta, r.n.worker.Params(), runState{s, r.n.sets.Hash, r.best})
	if r.noState != nil {
		r.later("the next checkpoint", r.noState)
		return nil
	}
	r.spoiled = false
	if before == nil {
		r.clear()
	}
	r.n.emit(Checkpoint{File: path, Step: s.Steps, Took: time.Since(begin)})
	return nil
}

// finish keeps the final parameters, and says their hash, which is the same on all ranks.
func (r *record) finish() (Result, error) {
	best := r.best
	if r.dir == nil {
		best = -1
	}
	result := Result{
		Rank: r.n.View.Rank, WorldSize: r.n.View.WorldSize(), Steps: r.last.Steps, RunDir: r.path,
		TestAccuracy: r.last.TestAccuracy, BestAccuracy: best, ParametersSHA256: hashParams(r.n.worker.Params()),
	}
	if r.dir != nil || r.n.View.Leads() {
		if err := errors.Join(r.save(FinalFile), r.noState, r.noBest.err, r.flush()); err != nil {
			return result, err
		}
	}
	r.n.emit(Finished{result})
	return result, nil
}

// clear removes the states of leaders before, once there are two of this one.
func (r *record) clear() {
	for _, name := range statesIn(r.path) {
		if number, _, _ := stateNumber(name); number < r.number {
			_ = os.Remove(filepath.Join(r.path, name)) // it does no harm
		}
	}
}

func (r *record) save(name string) error {
	meta := checkpoint.Meta{Model: r.n.Train.Model, Epoch: r.last.Number, Step: r.last.Steps, TestAccuracy: r.last.TestAccuracy}
	path := filepath.Join(r.path, name)
	err := report.WriteFileAtomic(path, func(w io.Writer) error {
		return checkpoint.Write(w, meta, StateDict(r.n.worker.Params(), r.last.Steps))
	})
	if err != nil {
		return fmt.Errorf("writing checkpoint %s: %w", path, err)
	}
	return nil
}

func (r *record) flush() error {
	if r.dir == nil {
		return errors.New("the run's record could not be taken over from the rank that kept it")
	}
	return r.dir.Flush()
}

func (r *record) close() error {
	if r == nil {
		return nil
	}
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
