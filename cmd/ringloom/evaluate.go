package main

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"runtime"

	"github.com/spf13/cobra"

	"ringloom/data"
	"ringloom/models"
	"ringloom/nn"
	"ringloom/nn/exec"
	"ringloom/nn/op"
)

type evaluateFlags struct {
	model, init    string
	images, batch  int
	logits, pixels string
	device         string
	gpuFlags
	threads          int
	kernels, dataDir string
	offline          bool
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
	fl.StringVar(&f.device, "device", "auto", deviceHelp)
	f.gpuFlags.register(fl)
	fl.IntVar(&f.threads, "threads", 0, "compute threads (0: all cores)")
	fl.StringVar(&f.kernels, "deterministic-kernels", "", kernelsHelp)
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
	if err := f.gpuFlags.check(f.device); err != nil {
		return err
	}
	if err := checkKernels(f.kernels); err != nil {
		return err
	}
	if f.threads == 0 {
		f.threads = runtime.NumCPU()
	}
	for flag, path := range map[string]string{"--logits": f.logits, "--pixels": f.pixels} {
		if err := checkArrayPath(path); path != "" && err != nil {
			return fmt.Errorf("%s: %w", flag, err)
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
	device, note, err := openDevice(f.device, f.threads, f.kernels, f.gpuFlags)
	if err != nil {
		return err
	}
	defer device.Close()
	if note != "" {
		fmt.Fprintln(log, note)
	}
	checkpoint, err := readInitial(f.init)
	if err != nil {
		return err
	}
	spec, err := checkpoint.model(f.model)
	if err != nil {
		return err
	}
	params, err := checkpoint.params(spec, device)
	if err != nil {
		return err
	}
	sets, err := loadData(ctx, f.dataDir, f.offline)
	if err != nil {
		return err
	}
	if f.images > sets.test.N {
		return usageError{fmt.Errorf("--images %d: the test set has %d", f.images, sets.test.N)}
	}
	if f.batch > sets.test.N {
		return usageError{fmt.Errorf("--batch %d: the test set has %d", f.batch, sets.test.N)}
	}
	e := evaluation{spec: spec, device: device, params: params, n: f.images, batch: f.batch, keep: f.pixels != ""}
	if e.n == 0 {
		e.n = sets.test.N
	}
	// At the whole batch even where there are fewer images: what is found with a few would be remembered for many.
	t, err := tuneKernels(ctx, device, f.kernels, spec, e.batch, false)
	if err != nil {
		return err
	}
	if t.tried > 0 {
		fmt.Fprintln(log, t)
	}
	if err := e.run(ctx, sets.test); err != nil {
		return err
	}
	if err := rememberKernels(ctx, device, f.kernels); err != nil {
		return err
	}
	fmt.Fprintf(out, "%s: %d test images, loss %.6f, accuracy %.4f (%d right)\n",
		spec.Name, e.n, e.lossSum/float64(e.n), float64(e.correct)/float64(e.n), e.correct)
	for _, a := range []struct {
		path string
		array
	}{
		{f.logits, array{[]int{e.n, len(e.logits) / e.n}, e.logits}},
		{f.pixels, array{[]int{e.n, 1, spec.InputSide, spec.InputSide}, e.pixels}},
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

// evaluation is the forward pass over the first n images of a set, with its results.
type evaluation struct {
	spec     models.Spec
	device   op.Device
	params   *nn.Params
	n, batch int
	keep     bool // the pixels

	resampling op.Resampling // of what the loader makes, on an accelerator

	lossSum        float64
	correct        int
	logits, pixels []float32
}

func (e *evaluation) run(ctx context.Context, set *data.Dataset) error {
	side := e.spec.InputSide
	if _, accelerated := op.AsAccelerator(e.device); accelerated {
		side = set.Side // it resizes them itself
	}
	e.resampling.From = side
	e.resampling.Bounds, e.resampling.Weights, e.resampling.Taps = data.ResizeTaps(side, e.spec.InputSide)
	loader := data.NewLoader(data.LoaderConfig{
		Dataset: set, Side: side, Steps: (e.n + e.batch - 1) / e.batch,
		Batch: func(step int, dst []int32) []int32 {
			for i := step * e.batch; i < min((step+1)*e.batch, e.n); i++ {
				dst = append(dst, int32(i))
			}
			return dst
		},
	})
	defer loader.Close()
	var program *exec.Program
	for done := 0; done < e.n; {
		batch, err := loader.Next(ctx)
		if err != nil {
			return err
		}
		if program == nil || program.Batch() != batch.N { // the first batch, and an uneven last one
			program, err = exec.Compile(exec.Config{
				Device: e.device, Params: e.params, Batch: batch.N, Side: e.spec.InputSide, Build: e.spec.Build,
			})
			if err != nil {
				return fmt.Errorf("building %s for a batch of %d: %w", e.spec.Name, batch.N, err)
			}
		}
		if err := e.load(program, batch); err != nil {
			return err
		}
		stats, err := program.Forward()
		if err != nil {
			return err
		}
		e.lossSum += stats.Loss * float64(batch.N)
		e.correct += stats.Correct
		logits, err := program.Logits()
		if err != nil {
			return err
		}
		e.logits = append(e.logits, logits...)
		done += batch.N
		loader.Release(batch)
	}
	return nil
}

// load puts a batch into the program, and keeps its pixels if they are wanted.
func (e *evaluation) load(program *exec.Program, batch *data.Batch) error {
	if !program.TakesImages() {
		pixels, labels := program.Input()
		batch.Fill(pixels, labels, 0, batch.N)
		if e.keep {
			e.pixels = append(e.pixels, pixels...)
		}
		return nil
	}
	if e.keep { // the accelerator computes the same
		size := e.spec.InputSide * e.spec.InputSide
		resizer, image := data.NewResizer(e.resampling.From, e.spec.InputSide), make([]byte, size)
		for i := range batch.N {
			resizer.Bytes(image, batch.Pixels[i*len(batch.Pixels)/batch.N:])
			pixels := make([]float32, size)
			data.Normalize(pixels, image)
			e.pixels = append(e.pixels, pixels...)
		}
	}
	return program.LoadImages(batch.Pixels, &e.resampling, batch.Labels)
}
