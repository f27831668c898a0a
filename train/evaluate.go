package train

import (
	"context"
	"fmt"

	"ringloom/data"
	"ringloom/models"
	"ringloom/nn"
	"ringloom/nn/exec"
	"ringloom/nn/op"
	"ringloom/shard"
)

// evalBatch is the number of images in one forward pass of an epoch's evaluation; it bounds memory, not results.
const evalBatch = 250

// evaluate counts this rank's part of the test set: every test image exactly once over all ranks.
func (w *Worker) evaluate(ctx context.Context, e *RankEpoch) error {
	watch := startWatch()
	e.TestSamples, e.TestCorrect = 0, 0
	lo, hi := shard.EvalRange(w.Test.N, w.WorldSize, w.Rank)
	program := func(batch int) (*exec.Program, error) { return w.program(programKey{batch: batch}) }
	err := w.images.forward(ctx, w.Test, lo, hi, evalBatch, program, func(batch *data.Batch, _ *exec.Program, s exec.Stats) error {
		e.TestSamples += batch.N
		e.TestCorrect += s.Correct
		return nil
	})
	watch.lap(&e.Evaluation)
	return err
}

// Evaluation is the forward pass of a network over the first images of a set, outside of a run.
type Evaluation struct {
	Device op.Device
	Model  models.Spec
	Params *nn.Params
	Set    *data.Dataset
	Images int // the first so many, 1 to Set.N
	Batch  int // at once: more needs more memory
	// OnBatch gets each batch in the order of the images. May be nil.
	OnBatch func(Evaluated) error
}

// Evaluated is a batch that went through the network, valid until OnBatch returns.
type Evaluated struct {
	N      int
	Logits []float32 // [N, classes]

	images  *images
	batch   *data.Batch
	program *exec.Program
}

// Outcome is what an evaluation adds up.
type Outcome struct {
	Images  int
	LossSum float64 // of cross-entropies, in nats
	Correct int
}

// Loss is the mean cross-entropy, in nats; Accuracy the part of the images whose largest logit is the label's.
func (o Outcome) Loss() float64 { return o.LossSum / float64(o.Images) }

// Accuracy is described at Loss.
func (o Outcome) Accuracy() float64 { return float64(o.Correct) / float64(o.Images) }

// Evaluate runs it. The caller has locked its goroutine to the device's thread.
func Evaluate(ctx context.Context, e Evaluation) (Outcome, error) {
	m := newImages(e.Device, e.Set.Side, e.Model.InputSide)
	var compiled *exec.Program
	program := func(batch int) (_ *exec.Program, err error) {
		if compiled == nil || compiled.Batch() != batch { // the first batch, and an uneven last one
			compiled, err = exec.Compile(exec.Config{
				Device: e.Device, Params: e.Params, Batch: batch, Side: e.Model.InputSide, Build: e.Model.Build,
			})
			if err != nil {
				return nil, fmt.Errorf("building %s for a batch of %d: %w", e.Model.Name, batch, err)
			}
		}
		return compiled, nil
	}
	var o Outcome
	err := m.forward(ctx, e.Set, 0, e.Images, e.Batch, program, func(batch *data.Batch, p *exec.Program, s exec.Stats) error {
		o.Images += batch.N
		o.LossSum += s.Loss * float64(batch.N)
		o.Correct += s.Correct
		if e.OnBatch == nil {
			return nil
		}
		logits, err := p.Logits()
		if err != nil {
			return err
		}
		return e.OnBatch(Evaluated{N: batch.N, Logits: logits, images: m, batch: batch, program: p})
	})
	return o, err
}

// Pixels appends what the network took, [N, side, side] in 0..1. An accelerator resizes by itself: then the host computes
// the same.
func (e Evaluated) Pixels(dst []float32) []float32 {
	if !e.program.TakesImages() {
		pixels, _ := e.program.Input()
		return append(dst, pixels...)
	}
	from, size := e.images.resampling.From, e.images.side*e.images.side
	resizer, image, pixels := data.NewResizer(from, e.images.side), make([]byte, size), make([]float32, size)
	for i := range e.N {
		resizer.Bytes(image, e.batch.Pixels[i*from*from:])
		data.Normalize(pixels, image)
		dst = append(dst, pixels...)
	}
	return dst
}
