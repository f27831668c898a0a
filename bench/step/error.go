package step

import (
	"context"
	"fmt"
	"math"
	"math/bits"
	"slices"

	"ringloom/nn"
	"ringloom/nn/exec"
	"ringloom/nn/op"
)

// Reference is a device that computes in float64, as purego.NewFloat64 does.
type Reference interface {
	op.Device
	// Float64 are a buffer's elements.
	Float64(op.Buffer) []float64
}

// Error is how far a step's results are off from those of float64, from the same parameters (the seed's) on the same
// images (the first of the first batch), without dropout. An error is the norm of the difference over the norm of
// what is right (relative L2).
type Error struct {
	Images int     `json:"images"` // that both computed
	Logits float64 `json:"logits"`
	// Gradients is that of all gradients as one vector; LargestGradient that of the parameter that has the largest.
	Gradients       float64 `json:"gradients"`
	LargestGradient float64 `json:"largest_gradient"`
	LargestName     string  `json:"largest_gradient_parameter"`
	MedianGradient  float64 `json:"median_gradient"` // over the parameters
	ReferenceLoss   float64 `json:"reference_loss"`  // in float64: by it two programs see that they compute the same step
}

// referenceFLOPs is the arithmetic that a reference does in about two seconds on two cores.
const referenceFLOPs = 25e9

// errorImages are those by which the error is measured where nobody has said how many: a power of two, by which the
// mean over them is exact, and at least one.
func (c Config) errorImages(stepFLOPs int64) int {
	if c.ErrorImages > 0 {
		return c.ErrorImages
	}
	n := min(c.Batch, max(1, int(referenceFLOPs*float64(c.Batch)/float64(max(1, stepFLOPs)))))
	return 1 << (bits.Len(uint(n)) - 1)
}

// measureError computes one step on the device and on the reference. It sets the parameters of the device anew.
func (s *stepper) measureError(ctx context.Context, images int) (*Error, error) {
	reference, err := s.Reference()
	if err != nil {
		return nil, fmt.Errorf("opening the reference: %w", err)
	}
	defer reference.Close()
	in, err := s.errorBatch(ctx, images)
	if err != nil {
		return nil, err
	}
	params, err := s.Model.NewParams(reference)
	if err != nil {
		return nil, err
	}
	logits, err := s.passesOnce(interruptible{reference, ctx}, params, in)
	if err != nil {
		return nil, fmt.Errorf("in float64: %w", err)
	}
	right := reference.Float64(op.Buffer{Host: logits})
	got, err := s.passesOnce(s.Device, s.params, in)
	if err != nil {
		return nil, err
	}
	e := compareGradients(params.List, s.params.Grads.Host, reference.Float64(params.Grads))
	e.Images = images
	e.Logits = relative(difference(got, right))
	e.ReferenceLoss = crossEntropy(right, in.labels)
	return e, nil
}

// passesOnce computes the gradients of a batch, in params, from the parameters of the seed.
func (c Config) passesOnce(device op.Device, params *nn.Params, in batch) (logits []float32, err error) {
	if err := params.Init(c.Seed); err != nil {
		return nil, err
	}
	program, err := exec.Compile(exec.Config{
		Device: device, Params: params, Batch: len(in.labels), Side: c.Model.InputSide, Build: c.Model.Build, Training: true, NoDropout: true,
	})
	if err != nil {
		return nil, err
	}
	if err := program.Load(in.pixels, in.labels); err != nil {
		return nil, err
	}
	if _, err := program.Forward(); err != nil {
		return nil, err
	}
	if logits, err = program.Logits(); err != nil {
		return nil, err
	}
	if err := program.Backward(nil); err != nil {
		return nil, err
	}
	return logits, op.Pull(device, params.Grads)
}

// crossEntropy is the mean over a batch, in nats.
func crossEntropy(logits []float64, labels []float32) (mean float64) {
	classes := len(logits) / len(labels)
	for n, label := range labels {
		row := logits[n*classes : (n+1)*classes]
		total, largest := 0.0, slices.Max(row)
		for _, v := range row {
			total += math.Exp(v - largest)
		}
		mean += (math.Log(total) + largest - row[int(label)]) / float64(len(labels))
	}
	return mean
}

// interruptible is a device whose kernels end with their context.
type interruptible struct {
	op.Device
	ctx context.Context
}

func (d interruptible) Compile(spec op.Spec) (op.Kernel, error) {
	k, err := d.Device.Compile(spec)
	return interruptibleKernel{k, d.ctx}, err
}

type interruptibleKernel struct {
	op.Kernel
	ctx context.Context
}

func (k interruptibleKernel) Run(dst, src []op.Buffer) error {
	if err := context.Cause(k.ctx); err != nil {
		return err
	}
	return k.Kernel.Run(dst, src)
}

// compareGradients holds the gradients of all parameters, one after the other as in nn.Params, against what is right.
func compareGradients(list []nn.Param, got []float32, want []float64) *Error {
	e := &Error{}
	all := make([]float64, len(list))
	var off, whole, before float64 // sums of squares; before is the last parameter's
	for i, p := range list {
		d, w := difference(got[p.Offset:p.Offset+p.Len], want[p.Offset:p.Offset+p.Len])
		off, whole = off+d, whole+w
		scale := w
		// A bias in front of batch norm means nothing: what it has of a gradient is rounding, also in float64. It counts
		// relative to the terms of its sum, which are as large as those of its layer's weights.
		if p.Kind == "bias" && w < zeroGradient*zeroGradient*before {
			scale = before * float64(p.Len) / float64(list[i-1].Len)
		}
		all[i], before = relative(d, scale), w
		if i == 0 || all[i] > e.LargestGradient {
			e.LargestGradient, e.LargestName = all[i], p.Name
		}
	}
	e.Gradients = relative(off, whole)
	slices.Sort(all)
	e.MedianGradient = median(all)
	return e
}

// zeroGradient is the norm of a bias's gradient, relative to that of its layer's weights, below which it is zero but
// for rounding.
const zeroGradient = 1e-9

// difference sums the squares of what is off and of what is right.
func difference(got []float32, want []float64) (off, right float64) {
	for i, w := range want {
		d := float64(got[i]) - w
		off += d * d
		right += w * w
	}
	return off, right
}

// relative is the relative error of two sums of squares; that of a zero that is one is 0.
func relative(off, right float64) float64 {
	if off == 0 {
		return 0
	}
	return math.Sqrt(off / right)
}

// errorBatch are the first images of the data set at the model's side, or random ones, as the host has them.
func (c Config) errorBatch(ctx context.Context, images int) (batch, error) {
	c.Batch, c.Device = images, nil
	if c.Images == nil {
		return c.randomBatch(), nil
	}
	all, err := c.batches(ctx)
	if err != nil {
		return batch{}, err
	}
	return all[0], nil
}
