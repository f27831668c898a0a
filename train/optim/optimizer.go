package optim

import (
	"fmt"

	"ringloom/nn"
	"ringloom/nn/op"
)

// Methods lists the names that Config.Method takes.
func Methods() []string { return []string{"adam", "adamw", "sgd"} }

// Kinds names what a method keeps of each parameter, as the state dicts of torch.optim do.
func Kinds(method string) []string {
	if method == "sgd" {
		return []string{"momentum_buffer"}
	}
	return []string{"exp_avg", "exp_avg_sq"}
}

// Config is a method of torch.optim with its constants. They are taken as they are: the training's Config is validated.
type Config struct {
	Method       string  // one of Methods
	Momentum     float64 // of sgd
	Nesterov     bool    // of sgd
	Beta1, Beta2 float64 // of adam and adamw
	Epsilon      float64 // of adam and adamw
	WeightDecay  float64 // added to the gradient (sgd, adam) or decoupled (adamw)
}

// Optimizer updates what a rank owns of the parameters with the device's kernels, a bucket at a time. The methods are
// those of torch.optim: Adam (Kingma and Ba, arXiv:1412.6980, with epsilon outside the bias-corrected root), AdamW
// (Loshchilov and Hutter, arXiv:1711.05101) and SGD with momentum (no dampening).
type Optimizer struct {
	cfg    Config
	device op.Device
	owned  Ownership
	calls  [][]Call    // by bucket and region
	state  []op.Buffer // of the regions alone, by Kinds
	hyper  op.Buffer
}

// New compiles the updates of the regions, and allocates what the method remembers of each of their parameters.
func New(cfg Config, device op.Device, params *nn.Params, owned Ownership) (*Optimizer, error) {
	o := &Optimizer{cfg: cfg, device: device, owned: owned}
	for range Kinds(cfg.Method) {
		b, err := device.Alloc(owned.Len)
		if err != nil {
			return nil, fmt.Errorf("allocating the state of %s: %w", cfg.Method, err)
		}
		o.state = append(o.state, b)
	}
	var err error
	if o.hyper, err = device.Alloc(op.HyperLen); err != nil {
		return nil, fmt.Errorf("allocating the state of %s: %w", cfg.Method, err)
	}
	for _, regions := range owned.Regions {
		var calls []Call
		for _, r := range regions {
			n := r.To - r.From
			var spec op.Spec = op.AdamUpdate{Len: n}
			if cfg.Method == "sgd" {
				spec = op.SGDUpdate{Len: n, Nesterov: cfg.Nesterov}
			}
			c := Call{
				Dst: []op.Buffer{params.Values.Slice(r.From, n)},
				Src: []op.Buffer{params.Grads.Slice(r.From, n), o.hyper},
			}
			for _, s := range o.state {
				c.Dst = append(c.Dst, s.Slice(r.At, n))
			}
			if c.Kernel, err = device.Compile(spec); err != nil {
				return nil, fmt.Errorf("preparing %s: %w", cfg.Method, err)
			}
			calls = append(calls, c)
		}
		o.calls = append(o.calls, calls)
	}
	return o, nil
}

// Owned is what this rank updates.
func (o *Optimizer) Owned() Ownership { return o.owned }

// Begin sets what the updates of a step share. steps is the number of steps taken before; the gradient is multiplied by
// gradScale.
func (o *Optimizer) Begin(steps int, rate, gradScale float64) error {
	h := o.hyper.Host
	h[op.HyperRate] = float32(rate)
	h[op.HyperGradScale] = float32(gradScale)
	h[op.HyperL2], h[op.HyperDecay] = float32(o.cfg.WeightDecay), 1
	h[op.HyperMomentum] = float32(o.cfg.Momentum)
	if o.cfg.Method == "adamw" {
		h[op.HyperL2], h[op.HyperDecay] = 0, float32(1-rate*o.cfg.WeightDecay)
	}
	if o.cfg.Method != "sgd" {
		op.Adam{Rate: rate, Beta1: o.cfg.Beta1, Beta2: o.cfg.Beta2, Epsilon: o.cfg.Epsilon}.SetHyper(h, steps+1)
	}
	return op.Push(o.device, o.hyper)
}

// Update applies the step to the regions of one bucket, whose sum must stand in the parameters' gradient memory.
func (o *Optimizer) Update(bucket int) error {
	for i := range o.calls[bucket] {
		if err := o.calls[bucket][i].Run(); err != nil {
			return err
		}
	}
	return nil
}

// Load takes the regions' part of memory, which is laid out as the parameters: one of Kinds.
func (o *Optimizer) Load(kind int, memory []float32) error {
	o.owned.Each(func(r Region) { copy(o.state[kind].Host[r.At:], memory[r.From:r.To]) })
	return op.Push(o.device, o.state[kind])
}

// Kept is the regions' memory of one kind, one region after the other as Ownership has them.
func (o *Optimizer) Kept(kind int) ([]float32, error) {
	return o.state[kind].Host, op.Pull(o.device, o.state[kind])
}

// Store puts the regions into their place in memory, as Load takes them.
func (o *Optimizer) Store(memory []float32, kind int) error {
	kept, err := o.Kept(kind)
	o.owned.Each(func(r Region) { copy(memory[r.From:r.To], kept[r.At:]) })
	return err
}
