//go:build gpu && cgo

package cuda

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"ringloom/nn/cuda/driver"
	"ringloom/nn/cuda/libs"
	"ringloom/nn/op"
)

// Device is one GPU. Make it with New.
type Device struct {
	opts Options
	ctx  *driver.Context
	info driver.Info

	compute, transfers *driver.Stream
	dnn                *libs.DNN
	blas               *libs.BLAS
	functions          functions

	memory  memory
	scratch scratch
	staging staging
	images  map[*op.Resampling]*tables
	args    slab
	single  arguments // of launchNow
	tried   emitter   // of the algorithm that is being tried out
	packed  map[weights]*packedWeights
	convs   map[libs.ConvShape]*libs.Conv
	choices map[convTask]algorithm
	// remembered are names of algorithms by the names of their tasks.
	remembered map[string]string
	events     eventPool
	marks      marks
	graphs     []*driver.Graph
	tracing    *trace
	closed     bool
}

var _ op.Accelerator = (*Device)(nil)

var errNoGPU = errors.New("the CUDA driver finds no GPU: see nvidia-smi, and CUDA_VISIBLE_DEVICES if it is set")

// Available says why no GPU can be used, or returns nil.
func Available() error {
	n, err := Count()
	if err != nil {
		return err
	}
	if n == 0 {
		return errNoGPU
	}
	return libs.Load()
}

// Count is the number of GPUs that the driver offers.
func Count() (int, error) {
	all, err := driver.Devices()
	return len(all), err
}

// New opens a GPU on this thread, which must be locked. The environment adds to the options: see the package. It
// compiles the kernels, or takes them from the user's cache.
func New(o Options) (_ *Device, err error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	if o, err = o.withEnvironment(os.LookupEnv); err != nil {
		return nil, err
	}
	if o.Precision == "" {
		o.Precision = TF32
	}
	if o.Ordinal, err = find(o); err != nil {
		return nil, err
	}
	if err := libs.Load(); err != nil {
		return nil, err
	}
	d := &Device{
		opts: o, images: map[*op.Resampling]*tables{}, packed: map[weights]*packedWeights{},
		convs: map[libs.ConvShape]*libs.Conv{}, choices: map[convTask]algorithm{}, remembered: map[string]string{},
	}
	d.tried.device = d
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("opening %s: %w", d.Name(), err), d.Close())
		}
	}()
	if d.ctx, err = driver.Open(o.Ordinal); err != nil {
		return nil, err
	}
	d.info = d.ctx.Info()
	if d.info.Major < 8 && o.Precision == BF16 {
		return nil, fmt.Errorf("%s has compute capability %d.%d; bf16 needs 8.0: use --precision float32", d.info.Name, d.info.Major, d.info.Minor)
	}
	if d.compute, err = d.ctx.NewStream(); err != nil {
		return nil, err
	}
	if d.transfers, err = d.ctx.NewStream(); err != nil {
		return nil, err
	}
	if d.dnn, err = libs.OpenDNN(d.compute.Handle()); err != nil {
		return nil, err
	}
	if err = d.openBLAS(); err != nil {
		return nil, err
	}
	if d.functions, err = loadFunctions(d.ctx); err != nil {
		return nil, err
	}
	return d, nil
}

// find is the ordinal of the GPU that the options mean.
func find(o Options) (int, error) {
	all, err := driver.Devices()
	if err != nil {
		return 0, err
	}
	var have []string
	for _, i := range all {
		if o.UUID != "" && driver.SameUUID(i.UUID, o.UUID) || o.UUID == "" && i.Ordinal == o.Ordinal {
			return i.Ordinal, nil
		}
		have = append(have, fmt.Sprintf("cuda:%d %s (%s)", i.Ordinal, i.Name, i.UUID))
	}
	wanted := o.UUID
	if wanted == "" {
		wanted = fmt.Sprint(o.Ordinal)
	}
	if len(have) == 0 {
		return 0, errNoGPU
	}
	return 0, fmt.Errorf("there is no GPU %s: this machine has %s", wanted, strings.Join(have, ", "))
}

// blasWorkspaceBytes is what NVIDIA recommends for Hopper; less does for older ones.
const blasWorkspaceBytes = 32 << 20

// openBLAS gives cuBLAS memory of its own: what it would allocate by itself cannot be captured in a graph.
func (d *Device) openBLAS() (err error) {
	if d.blas, err = libs.OpenBLAS(d.compute.Handle()); err != nil {
		return err
	}
	workspace, err := d.memory.alloc(d, blasWorkspaceBytes)
	if err != nil {
		return err
	}
	return d.blas.SetWorkspace(workspace, blasWorkspaceBytes)
}

// Name is "cuda:" and the ordinal.
func (d *Device) Name() string { return fmt.Sprintf("cuda:%d", d.opts.Ordinal) }

// Description names the GPU, its UUID and memory, the versions of driver and libraries, and the precision.
func (d *Device) Description() string {
	return fmt.Sprintf("%s (%s), %.0f GiB, compute capability %d.%d, %s", d.info.Name, d.info.UUID,
		float64(d.info.MemoryBytes)/(1<<30), d.info.Major, d.info.Minor, d.software())
}

// software names the versions of driver and libraries, and the precision.
func (d *Device) software() string {
	parts := []string{"driver for CUDA " + cudaVersion(d.info.DriverVersion)}
	for _, l := range libs.Loaded() {
		parts = append(parts, l.Name+" "+l.Version)
	}
	return strings.Join(append(parts, string(d.opts.Precision)), ", ")
}

// Hardware is the GPU's name and UUID.
func (d *Device) Hardware() string { return fmt.Sprintf("%s (%s)", d.info.Name, d.info.UUID) }

// Precision is that of the options.
func (d *Device) Precision() string { return string(d.opts.Precision) }

// HalfActivations is true with BF16.
func (d *Device) HalfActivations() bool { return d.opts.Precision == BF16 }

// math is how products of float32 are computed.
func (d *Device) math() libs.Compute {
	if d.opts.Precision == Float32 || d.opts.Precision == Strict {
		return libs.Strict
	}
	return libs.TF32
}

// Synchronize waits until everything that was queued is done.
func (d *Device) Synchronize() error {
	if err := d.compute.Synchronize(); err != nil {
		return err
	}
	return d.transfers.Synchronize()
}

var errClosed = errors.New("the cuda device is closed")

// enter makes the GPU that of the calling thread, where another device may have been used since.
func (d *Device) enter() error {
	if d.closed {
		return errClosed
	}
	return d.ctx.MakeCurrent()
}

// Close waits for what is queued and gives all memory back.
func (d *Device) Close() error {
	if d.closed {
		return nil
	}
	var errs []error
	keep := func(err error) { errs = append(errs, err) }
	if d.ctx != nil {
		keep(d.enter())
	}
	d.closed = true
	if d.compute != nil && d.transfers != nil {
		keep(d.Synchronize())
	}
	for _, g := range d.graphs {
		keep(g.Destroy())
	}
	for _, w := range d.choices {
		keep(w.close())
	}
	for _, c := range d.convs {
		keep(c.Close())
	}
	d.events.close(keep)
	d.marks.close(keep)
	if d.dnn != nil {
		keep(d.dnn.Close())
	}
	if d.blas != nil {
		keep(d.blas.Close())
	}
	d.functions.close(keep)
	d.staging.close(d, keep)
	d.args.close(d, keep)
	d.memory.close(d, keep)
	for _, s := range []*driver.Stream{d.compute, d.transfers} {
		if s != nil {
			keep(s.Destroy())
		}
	}
	if d.ctx != nil {
		keep(d.ctx.Close())
	}
	return errors.Join(errs...)
}
