package train

import (
	"cmp"
	"context"
	"fmt"
	"runtime"
	"slices"
	"time"

	"ringloom/allreduce/tune"
	"ringloom/data"
	"ringloom/models"
	"ringloom/nn"
	"ringloom/nn/exec"
)

// BucketLengths are the elements of the buckets in which a model's gradients travel, in their order.
func BucketLengths(c Config, model nn.Info) []int {
	var lengths []int
	for _, b := range planBuckets(c.spans(model.Params), c.BucketBytes) {
		lengths = append(lengths, b.hi-b.lo)
	}
	return lengths
}

// BucketTrial is a bucket size that was tried.
type BucketTrial struct {
	BucketBytes int     `json:"bucket_bytes"`
	Buckets     int     `json:"buckets"`
	Seconds     float64 `json:"seconds"` // the best step: of its slowest rank, from the batch to the last sum
}

const (
	tuneSteps = 3    // measured for each bucket size, after one that is not
	tuneGain  = 0.05 // by which part a size must be faster than the best so far to be taken
)

// bucketSizes are tried besides the configured one. Those that divide the model in the same way count once.
var bucketSizes = []int{512 << 10, 1 << 20, 4 << 20, 16 << 20, 64 << 20}

// TuneBuckets finds the bucket size with which a training step is fastest here, by taking steps without an update: forward,
// backward, and the sums meanwhile. All ranks call it at the same time and come to the same choice. It needs the device's
// memory for a model, parameters and gradients, so give it a device of its own and close that afterwards. The trials are
// in the order of trying, the configured size first; a model of few gradients has no other and is not measured.
func TuneBuckets(ctx context.Context, o Options) (bucketBytes int, trials []BucketTrial, err error) {
	model, err := models.Lookup(o.Model)
	if err != nil {
		return 0, nil, err
	}
	return tuneBuckets(ctx, o, model)
}

func tuneBuckets(ctx context.Context, o Options, model models.Spec) (bucketBytes int, trials []BucketTrial, err error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	w, err := newPasses(o, model)
	if err != nil {
		return 0, nil, err
	}
	sizes, plans := w.distinctPlans()
	if len(plans) == 1 {
		return sizes[0], nil, nil
	}
	if w.SyncBatchNorm && w.WorldSize > 1 {
		w.sync = &momentSync{ring: w.Ring, bucket: 1 << 20}
	}
	w.wire, w.cuts = w.wireFormat(), plans
	w.divide(plans[0])
	pass, err := w.newTrialPass(ctx)
	if err != nil {
		return 0, nil, err
	}
	best := 0
	for i, plan := range plans {
		w.divide(plan)
		seconds, err := pass.measure(ctx)
		if err != nil {
			return 0, nil, fmt.Errorf("trying buckets of %d bytes: %w", sizes[i], err)
		}
		trials = append(trials, BucketTrial{sizes[i], len(plan), seconds})
		if seconds < trials[best].Seconds*(1-tuneGain) {
			best = i
		}
	}
	return trials[best].BucketBytes, trials, nil
}

// distinctPlans are the bucket sizes that divide the parameters differently, the configured one first.
func (w *Worker) distinctPlans() (sizes []int, plans [][]bucket) {
	first := w.BucketBytes
	if first == 0 {
		first = bucketBytesFor(w.spans(w.params.List))
	}
	for _, bytes := range append([]int{first}, bucketSizes...) {
		plan := planBuckets(w.spans(w.params.List), bytes)
		if slices.ContainsFunc(plans, func(p []bucket) bool { return slices.Equal(p, plan) }) {
			continue
		}
		sizes, plans = append(sizes, bytes), append(plans, plan)
	}
	return sizes, plans
}

// trialPass is a step's last micro-batch, which is the one that overlaps with the ring.
type trialPass struct {
	*Worker
	program *exec.Program
	micro   microBatch
	batch   *data.Batch
}

func (w *Worker) newTrialPass(ctx context.Context) (*trialPass, error) {
	loader := data.NewLoader(data.LoaderConfig{
		Dataset: w.Train, Side: w.loadSide(w.Train), Steps: 1, LabelsOnly: w.blind,
		Batch: func(step int, dst []int32) []int32 { return w.sampler.Batch(1, step, dst) },
	})
	defer loader.Close()
	batch, err := loader.Next(ctx)
	if err != nil {
		return nil, err
	}
	global := w.sampler.GlobalLen(1, 0)
	p := &trialPass{Worker: w, batch: batch, micro: w.microBatch(global, batch.N, w.microBatches(global, batch.N)-1)}
	if p.program, err = w.program(p.micro.key()); err != nil {
		return nil, err
	}
	p.program.SetLossScale(1 / float32(global))
	return p, nil
}

// measure takes steps, and returns the seconds of the best.
func (p *trialPass) measure(ctx context.Context) (float64, error) {
	var seconds []float64
	for step := range tuneSteps + 1 {
		if err := p.Ring.Barrier(ctx); err != nil {
			return 0, err
		}
		begin := time.Now()
		if err := p.step(ctx); err != nil {
			return 0, err
		}
		if step > 0 {
			seconds = append(seconds, time.Since(begin).Seconds())
		}
	}
	return tune.BestRound(ctx, p.Ring, seconds)
}

func (p *trialPass) step(ctx context.Context) error {
	p.tracker.reset()
	p.late = nil
	if err := p.load(p.program, p.batch, p.micro.lo, p.micro.hi); err != nil {
		return err
	}
	if p.sync != nil {
		p.sync.begin(ctx, 0, p.micro)
	}
	err := p.program.Start()
	if err == nil && !p.ahead {
		_, err = p.program.Stats()
	}
	if err == nil {
		err = p.program.Backward(p.startBuckets)
	}
	if err == nil && p.ahead {
		if _, err = p.program.Stats(); err == nil {
			p.sendAll()
		}
	}
	if err = cmp.Or(err, p.late); err != nil {
		return err
	}
	for _, s := range p.pending {
		if err := s.Wait(ctx); err != nil {
			return err
		}
	}
	return nil
}
