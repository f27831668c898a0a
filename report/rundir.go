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
//	config-until-step-N.json        config.json as it was before the run went on from step N
type RunDir struct {
	Path    string
	metrics *os.File
}

// CheckRunDir says what will keep CreateRunDir from making path, as far as that can be seen beforehand.
func CheckRunDir(path string) error {
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
	if err := os.MkdirAll(path, 0o755); err != nil {
		return nil, fmt.Errorf("making the run directory: %w", err)
	}
	return openRunDir(path, config)
}

// openRunDir writes the config and opens the metrics.
func openRunDir(path string, config any) (*RunDir, error) {
	err := WriteFileAtomic(filepath.Join(path, configFile), func(w io.Writer) error {
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		return e.Encode(config)
	})
	if err != nil {
		return nil, fmt.Errorf("writing the run's config: %w", err)
	}
	metrics, err := os.OpenFile(filepath.Join(path, metricsFile), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, fmt.Errorf("opening the run's metrics: %w", err)
	}
	return &RunDir{Path: path, metrics: metrics}, nil
}

// ContinueRunDir opens the directory of a run that goes on after so many steps, with the given epoch. The lines of
// metrics from that epoch on are taken out, for they will be written again; so are temporary files that a killed process left.
func ContinueRunDir(path string, config any, steps, epoch int) (*RunDir, error) {
	old, err := os.ReadFile(filepath.Join(path, configFile))
	if err != nil {
		return nil, fmt.Errorf("opening the run directory to go on: %w", err)
	}
	lines, err := metricsBefore(filepath.Join(path, metricsFile), epoch)
	if err != nil {
		return nil, err
	}
	// The directory's own name may have the signs of a pattern.
	entries, err := os.ReadDir(path)
	if err != nil {
		return nil, fmt.Errorf("opening the run directory to go on: %w", err)
	}
	for _, entry := range entries {
		if left, _ := filepath.Match(".*.safetensors.*", entry.Name()); !left {
			continue
		}
		if err := os.Remove(filepath.Join(path, entry.Name())); err != nil {
			return nil, fmt.Errorf("clearing the run directory: %w", err)
		}
	}
	for name, content := range map[string][]byte{fmt.Sprintf("config-until-step-%d.json", steps): old, metricsFile: lines} {
		err := WriteFileAtomic(filepath.Join(path, name), func(w io.Writer) error {
			_, err := w.Write(content)
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("preparing the run directory to go on: %w", err)
		}
	}
	return openRunDir(path, config)
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

// Append adds one epoch. The line is written in one call, so a reader never sees half of it.
func (d *RunDir) Append(m Metrics) error {
	line, err := json.Marshal(m)
	if err != nil {
		return err
	}
	if _, err := d.metrics.Write(append(line, '\n')); err != nil {
		return fmt.Errorf("writing the run's metrics: %w", err)
	}
	return nil
}

// Close syncs and closes the metrics.
func (d *RunDir) Close() error {
	return errors.Join(d.metrics.Sync(), d.metrics.Close())
}
