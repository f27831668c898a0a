package report

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// ErrRunExists is wrapped when a directory holds a run already.
var ErrRunExists = errors.New("holds a run already")

// configFile marks a directory as a run's.
const configFile = "config.json"

const metricsFile = "metrics.jsonl"

// RunDir is where a run keeps its record:
//
//	config.json         what was asked for, and the ranks
//	metrics.jsonl       one object an epoch (Metrics)
//	rank-N.log          the log of rank N as JSON lines, where that rank ran
//	final.safetensors   the parameters after the last epoch
//	best.safetensors    the parameters of the best test accuracy
//	latest.training.safetensors     all that the run needs to go on
//	previous.training.safetensors   the same of one checkpoint before
//	latest-N.training.safetensors   the same, and likewise previous-N, by who leads an elastic job since its Nth view
//	config-until-step-N.json        config.json as it was before the run went on from step N
//	run.lock            locked while a run writes here; who that is
type RunDir struct {
	Path string
	// Unlocked says why nothing keeps another run from writing here: the file system has no locks. Else nil.
	Unlocked error

	lock    *os.File
	metrics *os.File
	written int64  // bytes of whole lines of metrics
	pending []byte // lines that could not be written yet
}

// CheckRunDir says what will keep CreateRunDir from making path, as far as that can be seen beforehand.
func CheckRunDir(path string) error {
	if err := CheckUnlocked(path); err != nil {
		return err
	}
	return checkNew(path)
}

// checkNew refuses a directory that holds a run, or where none can be made.
func checkNew(path string) error {
	if _, err := os.Stat(filepath.Join(path, configFile)); err == nil {
		return fmt.Errorf("run directory %s %w: choose another with --run-dir, or move it away", path, ErrRunExists)
	}
	for dir := path; ; dir = filepath.Dir(dir) {
		info, err := os.Stat(dir)
		switch {
		case err == nil && !info.IsDir():
			return fmt.Errorf("run directory %s: %s is no folder: choose another with --run-dir", path, dir)
		case err == nil:
			if err := access(dir, mayWrite|mayEnter); err != nil {
				return fmt.Errorf("run directory %s: %w: choose another with --run-dir", path, err)
			}
			return nil
		case dir == filepath.Dir(dir):
			return nil
		}
	}
}

// CreateRunDir makes the directory of a new run and writes its config. It refuses a directory that holds a run.
func CreateRunDir(path string, config any) (*RunDir, error) {
	if err := CheckRunDir(path); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(path, 0o777); err != nil {
		return nil, fmt.Errorf("making the run directory: %w", err)
	}
	return lockRunDir(path, func(d *RunDir) error {
		if err := checkNew(path); err != nil { // another run may have been first
			return err
		}
		return d.open(config)
	})
}

// lockRunDir locks a directory and prepares it for the run.
func lockRunDir(path string, prepare func(*RunDir) error) (_ *RunDir, err error) {
	d := &RunDir{Path: path}
	if d.lock, d.Unlocked, err = lockDir(path); err != nil {
		return nil, err
	}
	if err := prepare(d); err != nil {
		return nil, errors.Join(err, unlock(d.lock))
	}
	return d, nil
}

// open writes the config and opens the metrics.
func (d *RunDir) open(config any) error {
	err := WriteFileAtomic(filepath.Join(d.Path, configFile), func(w io.Writer) error {
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		return e.Encode(config)
	})
	if err != nil {
		return fmt.Errorf("writing the run's config: %w", err)
	}
	folder, err := os.OpenRoot(d.Path)
	if err != nil {
		return err
	}
	defer folder.Close()
	if d.metrics, err = OpenAppend(folder, metricsFile); err == nil {
		d.written, err = d.metrics.Seek(0, io.SeekEnd)
	}
	if err != nil {
		return fmt.Errorf("opening the run's metrics: %w", err)
	}
	return nil
}

// ContinueRunDir opens the directory of a run that goes on after so many steps, with the given epoch. The lines of
// metrics from that epoch on are taken out, for they will be written again; so are temporary files that a killed process left.
func ContinueRunDir(path string, config any, steps, epoch int) (*RunDir, error) {
	return lockRunDir(path, func(d *RunDir) error { return d.goOn(config, steps, epoch) })
}

// TakeOverRunDir is ContinueRunDir for a process that takes the record over from one that the other ranks have gone on without, and that may
// still run, stopped: its lock counts no more. A directory without a run becomes one, as where each machine has a disk of its own.
func TakeOverRunDir(path string, config any, steps, epoch int) (*RunDir, error) {
	if err := dropLock(path); err != nil {
		return nil, err
	}
	return lockRunDir(path, func(d *RunDir) error {
		err := d.goOn(config, steps, epoch)
		if errors.Is(err, os.ErrNotExist) {
			err = d.open(config)
		}
		return err
	})
}

func (d *RunDir) goOn(config any, steps, epoch int) error {
	old, err := os.ReadFile(filepath.Join(d.Path, configFile))
	if err != nil {
		return fmt.Errorf("opening the run directory to go on: %w", err)
	}
	lines, err := metricsBefore(filepath.Join(d.Path, metricsFile), epoch)
	if err != nil {
		return err
	}
	// The directory's own name may have the signs of a pattern.
	entries, err := os.ReadDir(d.Path)
	if err != nil {
		return fmt.Errorf("opening the run directory to go on: %w", err)
	}
	for _, entry := range entries {
		if left, _ := filepath.Match(".*.safetensors.*", entry.Name()); !left {
			continue
		}
		if err := os.Remove(filepath.Join(d.Path, entry.Name())); err != nil {
			return fmt.Errorf("clearing the run directory: %w", err)
		}
	}
	for name, content := range map[string][]byte{fmt.Sprintf("config-until-step-%d.json", steps): old, metricsFile: lines} {
		err := WriteFileAtomic(filepath.Join(d.Path, name), func(w io.Writer) error {
			_, err := w.Write(content)
			return err
		})
		if err != nil {
			return fmt.Errorf("preparing the run directory to go on: %w", err)
		}
	}
	return d.open(config)
}

// metricsBefore is the lines of a metrics file of epochs before the given one. The last line may be cut short, where the
// machine went down.
func metricsBefore(path string, epoch int) ([]byte, error) {
	content, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the run's metrics: %w", err)
	}
	var kept []byte
	for line := range bytes.Lines(content) {
		if !bytes.HasSuffix(line, []byte("\n")) {
			break
		}
		var m Metrics
		if err := json.Unmarshal(line, &m); err != nil {
			return nil, fmt.Errorf("reading %s: %w", path, err)
		}
		if m.Epoch < epoch {
			kept = append(kept, line...)
		}
	}
	return kept, nil
}

// Metrics is one line of metrics.jsonl.
type Metrics struct {
	Epoch           int       `json:"epoch"`                    // from 1
	Step            int       `json:"step"`                     // optimizer steps since the start of the run, resumed ones included
	Loss            float64   `json:"loss"`                     // mean cross-entropy per training sample, in nats
	TrainAccuracy   float64   `json:"train_accuracy"`           // fraction, over the samples as they were trained on
	TestAccuracy    float64   `json:"test_accuracy"`            // fraction of the whole test set
	Seconds         float64   `json:"seconds"`                  // training time of the slowest rank, without evaluation and checkpoints; of a resumed epoch, both parts
	ImagesPerSecond float64   `json:"images_per_second"`        // all ranks together
	LearningRate    float64   `json:"learning_rate"`            // of the epoch's last step
	GradNormMean    float64   `json:"grad_norm_mean,omitempty"` // of the averaged gradient before clipping, over the epoch's steps; absent without clipping
	GradNormMax     float64   `json:"grad_norm_max,omitempty"`
	StepLoss        []float64 `json:"step_loss"` // mean over the global batch at each step
	Ranks           any       `json:"ranks"`     // counts and seconds of each rank
}

// Append adds one epoch. The line is written in one call, so a reader never sees half of it. Where it cannot be written it is kept, and
// written before the next; until then Append and Close say so.
func (d *RunDir) Append(m Metrics) error {
	line, err := json.Marshal(m)
	if err != nil {
		return err
	}
	d.pending = append(append(d.pending, line...), '\n')
	return d.Flush()
}

// Flush writes the lines that are pending, all or none.
func (d *RunDir) Flush() error {
	if len(d.pending) == 0 {
		return nil
	}
	if _, err := d.metrics.Write(d.pending); err != nil {
		// A full disk takes a part.
		return fmt.Errorf("writing the run's metrics: %w", errors.Join(err, d.metrics.Truncate(d.written)))
	}
	d.written += int64(len(d.pending))
	d.pending = nil
	return nil
}

// Close writes what is pending, syncs and closes the metrics, and unlocks the directory.
func (d *RunDir) Close() error {
	return errors.Join(d.Flush(), d.metrics.Sync(), d.metrics.Close(), unlock(d.lock))
}
