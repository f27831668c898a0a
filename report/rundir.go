package report

import (
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

// RunDir is where a run keeps its record:
//
//	config.json         what was asked for, and the ranks
//	metrics.jsonl       one object an epoch (Metrics)
//	rank-N.log          the log of rank N as JSON lines, where that rank ran
//	final.safetensors   the parameters after the last epoch
//	best.safetensors    the parameters of the best test accuracy
type RunDir struct {
	Path    string
	metrics *os.File
}

// CreateRunDir makes the directory of a new run and writes its config. It refuses a directory that holds a run.
func CreateRunDir(path string, config any) (*RunDir, error) {
	if _, err := os.Stat(filepath.Join(path, configFile)); err == nil {
		return nil, fmt.Errorf("run directory %s %w: choose another with --run-dir, or move it away", path, ErrRunExists)
	}
	if err := os.MkdirAll(path, 0o755); err != nil {
		return nil, fmt.Errorf("making the run directory: %w", err)
	}
	err := WriteFileAtomic(filepath.Join(path, configFile), func(w io.Writer) error {
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		return e.Encode(config)
	})
	if err != nil {
		return nil, fmt.Errorf("writing the run's config: %w", err)
	}
	metrics, err := os.OpenFile(filepath.Join(path, "metrics.jsonl"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, fmt.Errorf("opening the run's metrics: %w", err)
	}
	return &RunDir{Path: path, metrics: metrics}, nil
}

// Metrics is one line of metrics.jsonl.
type Metrics struct {
	Epoch           int       `json:"epoch"`                    // from 1
	Step            int       `json:"step"`                     // optimizer steps since the start of the run
	Loss            float64   `json:"loss"`                     // mean cross-entropy per training sample, in nats
	TrainAccuracy   float64   `json:"train_accuracy"`           // fraction, over the samples as they were trained on
	TestAccuracy    float64   `json:"test_accuracy"`            // fraction of the whole test set
	Seconds         float64   `json:"seconds"`                  // training time of the slowest rank, without evaluation
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
