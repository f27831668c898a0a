package main

import (
	"context"
	"fmt"
	"io"
	"math"
	"path/filepath"
	"runtime"

	"github.com/spf13/cobra"

	"ringloom/run"
	"ringloom/train"
)

type evaluateFlags struct {
	model, init    string
	images, batch  int
	logits, pixels string
	deviceFlags
	dataDir string
	offline bool
}

func evaluateCommand() *cobra.Command {
	var f evaluateFlags
	cmd := &cobra.Command{
		Use:   "evaluate --init FILE [flags]",
		Short: "Loss and accuracy of a checkpoint on the test set",
		Long: `Compute the loss (mean cross-entropy in nats) and the accuracy of a checkpoint on the test set. The checkpoint is
a safetensors file of ringloom, or of PyTorch with the names of ringloom's models (see --model).

--logits and --pixels write what went out and in as float32 arrays, [images, 10] and [images, 1, side, side]: as
NumPy files (.npy) or as text with a line an image (.csv).`,
		Example: `  ringloom evaluate --init runs/<run>/best.safetensors
  ringloom evaluate --model googlenet --init from-pytorch.safetensors --images 100 --logits logits.npy`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := f.check(); err != nil {
				return usageError{err}
			}
			return f.run(cmd.Context(), cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	fl := cmd.Flags()
	fl.SortFlags = false
	fl.StringVar(&f.init, "init", "", "the checkpoint, .safetensors (required)")
	fl.StringVar(&f.model, "model", "", "its network (default: the one that the checkpoint names; see 'ringloom models')")
	fl.IntVar(&f.images, "images", 0, "only the first so many test images (0: all)")
	fl.IntVar(&f.batch, "batch", 50, "images of one forward pass: more needs more memory")
	fl.StringVar(&f.logits, "logits", "", "write the logits to this file, .npy or .csv")
	fl.StringVar(&f.pixels, "pixels", "", "write the resized images, 0 to 1, to this file, .npy or .csv")
	f.deviceFlags.register(fl, 0, "compute threads (0: all cores)")
	fl.StringVar(&f.dataDir, "data", "", "folder of Fashion-MNIST (default: as in train)")
	fl.BoolVar(&f.offline, "offline", false, "never download the data set")
	return cmd
}

func (f *evaluateFlags) check() error {
	if f.init == "" {
		return fmt.Errorf("--init: say which checkpoint to evaluate")
	}
	if f.images < 0 || f.batch < 1 || f.threads < 0 {
		return fmt.Errorf("--images %d --batch %d --threads %d: give --batch at least 1, and the others no negative number",
			f.images, f.batch, f.threads)
	}
	if err := f.deviceFlags.check(); err != nil {
		return err
	}
	for _, output := range []struct{ flag, path string }{{"logits", f.logits}, {"pixels", f.pixels}} {
		if output.path == "" {
			continue
		}
		if err := checkArrayPath(output.flag, output.path); err != nil {
			return err
		}
	}
	if f.logits != "" && filepath.Clean(f.logits) == filepath.Clean(f.pixels) {
		return fmt.Errorf("--logits and --pixels both name %s: give each a file of its own", f.logits)
	}
	return nil
}

func (f *evaluateFlags) run(ctx context.Context, out, log io.Writer) error {
	runtime.LockOSThread() // devices bind state to the thread
	defer runtime.UnlockOSThread()
	on := f.deviceFlags.config()
	device, note, err := run.OpenDevice(on)
	if err != nil {
		return err
	}
	defer device.Close()
	if note != "" {
		fmt.Fprintln(log, note)
	}
	checkpoint, err := run.ReadInitial(f.init)
	if err != nil {
		return err
	}
	spec, err := checkpoint.Model(f.model)
	if err != nil {
		return err
	}
	params, err := checkpoint.Params(spec, device)
	if err != nil {
		return err
	}
	sets, err := loadData(ctx, f.dataDir, f.offline)
	if err != nil {
		return err
	}
	if f.images > sets.Test.N {
		return usageError{fmt.Errorf("--images %d: the test set has %d", f.images, sets.Test.N)}
	}
	if f.batch > sets.Test.N {
		return usageError{fmt.Errorf("--batch %d: the test set has %d", f.batch, sets.Test.N)}
	}
	e := train.Evaluation{Device: device, Model: spec, Params: params, Set: sets.Test, Images: f.images, Batch: f.batch}
	if e.Images == 0 {
		e.Images = sets.Test.N
	}
	// At the whole batch even where there are fewer images: what is found with a few would be remembered for many.
	t, err := on.Kernels.Tune(ctx, device, spec, e.Batch, false)
	if err != nil {
		return err
	}
	if t.Operations > 0 {
		fmt.Fprintln(log, t)
	}
	var logits, pixels []float32
	images := 0
	e.OnBatch = func(b train.Evaluated) error {
		if err := checkLogits(b, images); err != nil {
			return run.DataError{Err: fmt.Errorf("--init %s: %w", f.init, err)}
		}
		images += b.N
		logits = append(logits, b.Logits...)
		if f.pixels != "" {
			pixels = b.Pixels(pixels)
		}
		return nil
	}
	outcome, err := train.Evaluate(ctx, e)
	if err != nil {
		return err
	}
	if err := on.Kernels.Remember(ctx, device); err != nil {
		return err
	}
	fmt.Fprintf(out, "%s: %d test images, loss %.6f, accuracy %.4f (%d right)\n",
		spec.Name, outcome.Images, outcome.Loss(), outcome.Accuracy(), outcome.Correct)
	for _, a := range []struct {
		path string
		array
	}{
		{f.logits, array{[]int{e.Images, len(logits) / e.Images}, logits}},
		{f.pixels, array{[]int{e.Images, 1, spec.InputSide, spec.InputSide}, pixels}},
	} {
		if a.path == "" {
			continue
		}
		if err := a.save(a.path); err != nil {
			return fmt.Errorf("writing %s: %w", a.path, err)
		}
	}
	return nil
}

// checkLogits names the first logit of a batch that is not finite. Whatever follows from one would be a number all the same: an accuracy
// counts it as wrong. first is the number of the batch's first image.
func checkLogits(b train.Evaluated, first int) error {
	classes := len(b.Logits) / b.N
	for i, v := range b.Logits {
		if math.IsNaN(float64(v)) || math.IsInf(float64(v), 0) {
			return fmt.Errorf("logit %d of test image %d is %v: the network computes no finite numbers with these parameters; take an earlier checkpoint",
				i%classes, first+i/classes, v)
		}
	}
	return nil
}
