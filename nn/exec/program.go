package exec

import (
	"errors"
	"fmt"
	"math"

	"ringloom/nn"
	"ringloom/nn/op"
)

// Program is a model compiled for a device at one batch size. It is not safe for concurrent use, and runs on the
// thread that its device is bound to. Its memory lives until the device is closed.
type Program struct {
	params            *nn.Params
	batch, side       int
	classes           int
	training          bool
	dropout           bool // some layer reads the key
	forward, backward []step

	device op.Device
	acc    op.Accelerator // the device, if it is one
	// forwardParts and backwardParts are the steps as an accelerator runs them.
	forwardParts, backwardParts []part
	arrival                     op.Transfer // of stats; nil when nothing is under way

	pixels, labels, scale, key op.Buffer
	logits, stats              op.Buffer
	fresh                      bool      // the accelerator has the loss scale
	fetched                    []float32 // of Logits, on an accelerator
	activations                int       // elements of the arena

	sync func([]float32) error

	forwardFLOPs, backwardFLOPs int64

	// ran is set between Forward and Backward: the backward pass overwrites what it has used.
	ran bool
}

// step is one operation of a program.
type step struct {
	op.Step
	ready   []int // parameters whose gradients it finishes
	sync    int   // index in Dst of what ranks average, or -1
	moments bool  // that is a mean and a variance
}

// Stats is the outcome of a forward pass.
type Stats struct {
	// Loss is the loss scale times the sum of the samples' cross-entropies (in nats): by default their mean.
	Loss float64
	// Correct is the number of samples whose largest logit is the label's.
	Correct int
}

// ErrOrder is returned by Backward without a Forward before it, or on a program without Training.
var ErrOrder = errors.New("backward needs a training program and a forward pass just before it")

// ErrLabel is wrapped by Forward's error for a label that is no class of the model.
var ErrLabel = errors.New("label is not a class of the model")

// Batch is the number of images that a pass takes.
func (p *Program) Batch() int { return p.batch }

// Classes is the number of logits of a sample.
func (p *Program) Classes() int { return p.classes }

// Input is the memory to fill before Forward: pixels [Batch, Side, Side] in 0..1, and labels [Batch], class numbers. On
// an Accelerator pixels is nil: use Load or LoadImages.
func (p *Program) Input() (pixels, labels []float32) { return p.pixels.Host, p.labels.Host }

// Load copies a batch to Input. It panics if the lengths differ from Input's.
func (p *Program) Load(pixels, labels []float32) error {
	if len(pixels) != p.pixelLen() || len(labels) != p.batch {
		panic(fmt.Sprintf("exec: a batch of %d pixels and %d labels for a program that takes %d and %d",
			len(pixels), len(labels), p.pixelLen(), p.batch))
	}
	copy(p.labels.Host, labels)
	if p.acc != nil {
		return p.acc.Put(p.pixels, pixels)
	}
	copy(p.pixels.Host, pixels)
	return nil
}

// TakesImages says that LoadImages works: the device is an Accelerator.
func (p *Program) TakesImages() bool { return p.acc != nil }

// LoadImages is Load for images [Batch, r.From, r.From] of bytes, which an Accelerator resamples to Side x Side.
func (p *Program) LoadImages(images []byte, r *op.Resampling, labels []float32) error {
	if len(images) != p.batch*r.From*r.From || len(labels) != p.batch {
		panic(fmt.Sprintf("exec: a batch of %d bytes and %d labels for a program that takes %d and %d",
			len(images), len(labels), p.batch*r.From*r.From, p.batch))
	}
	copy(p.labels.Host, labels)
	return p.acc.PutImages(p.pixels, images, p.batch, p.side, r)
}

func (p *Program) pixelLen() int { return p.batch * p.side * p.side }

// SetLossScale sets the factor of the summed loss and its gradients, from the next Forward on. It is 1/Batch at
// first; where ranks share a global batch and sum their gradients, it is 1/(global batch) on each.
func (p *Program) SetLossScale(s float32) {
	p.fresh = p.fresh && p.scale.Host[0] == s
	p.scale.Host[0] = s
}

// SetDropoutKey chooses which elements the dropout layers drop, from the next Forward on. The same key gives the same
// elements on every device.
func (p *Program) SetDropoutKey(key uint64) {
	p.key.Host[0], p.key.Host[1] = math.Float32frombits(uint32(key)), math.Float32frombits(uint32(key>>32))
}

// Forward computes the logits and the loss of the batch in Input.
func (p *Program) Forward() (Stats, error) {
	if err := p.Start(); err != nil {
		return Stats{}, err
	}
	return p.Stats()
}

// Start is the first half of Forward: on an Accelerator it returns when the work is queued, and Backward may follow
// before Stats, the second half, which must be called before the next Start.
func (p *Program) Start() error {
	for i, l := range p.labels.Host {
		if c := int(l); float32(c) != l || c < 0 || c >= p.classes {
			return fmt.Errorf("%w: sample %d has label %v, the model has %d classes", ErrLabel, i, l, p.classes)
		}
	}
	p.ran = false
	var err error
	if p.acc != nil {
		err = p.startParts()
	} else {
		err = p.run(p.forward, nil)
	}
	if err != nil {
		return fmt.Errorf("forward: %w", err)
	}
	p.ran = p.training
	return nil
}

// Stats waits for the outcome of Start.
func (p *Program) Stats() (Stats, error) {
	if p.arrival != nil {
		err := p.arrival.Wait()
		p.arrival = nil
		if err != nil {
			return Stats{}, fmt.Errorf("forward: %w", err)
		}
	}
	return Stats{Loss: float64(p.stats.Host[0]), Correct: int(p.stats.Host[1])}, nil
}

// Backward writes the gradients of the last Forward's loss over nn.Params.Grads. It calls ready, which may be nil, on
// this thread as soon as a parameter's gradient is final, late layers first; each parameter is named once. On an
// Accelerator it is final for what is queued from then on: Backward and ready's caller do not wait for it.
func (p *Program) Backward(ready func(param int)) error {
	if !p.ran {
		return ErrOrder
	}
	p.ran = false
	var err error
	if p.acc != nil {
		err = p.runParts(p.backwardParts, ready)
	} else {
		err = p.run(p.backward, ready)
	}
	if err != nil {
		return fmt.Errorf("backward: %w", err)
	}
	return nil
}

func (p *Program) run(steps []step, ready func(int)) error {
	for i := range steps {
		s := &steps[i]
		if err := s.Kernel.Run(s.Dst, s.Src); err != nil {
			return err
		}
		if s.sync >= 0 {
			if err := p.average(s, s.Dst[s.sync].Host); err != nil {
				return err
			}
		}
		if ready == nil {
			continue
		}
		for _, param := range s.ready {
			ready(param)
		}
	}
	return nil
}

// average makes the moments v that a step has left those of all ranks. A variance is not the mean of the ranks' own:
// the mean square is averaged in its place.
func (p *Program) average(s *step, v []float32) error {
	if !s.moments {
		return p.sync(v)
	}
	mean, variance := v[:len(v)/2], v[len(v)/2:]
	for c, m := range mean {
		variance[c] += m * m
	}
	if err := p.sync(v); err != nil {
		return err
	}
	for c, m := range mean {
		variance[c] = max(0, variance[c]-m*m)
	}
	return nil
}

// Logits are those of the last Forward, [Batch, Classes]; they are overwritten by the next.
func (p *Program) Logits() ([]float32, error) {
	if p.acc == nil {
		return p.logits.Host, nil
	}
	if p.fetched == nil {
		p.fetched = make([]float32, p.batch*p.classes)
	}
	return p.fetched, p.acc.Get(p.fetched, p.logits)
}

// FLOPs is the arithmetic of one forward and one backward pass over the batch, as the function FLOPs counts it.
func (p *Program) FLOPs() (forward, backward int64) { return p.forwardFLOPs, p.backwardFLOPs }

// ActivationBytes is the memory that all intermediate results share.
func (p *Program) ActivationBytes() int64 { return op.ElementBytes * int64(p.activations) }
