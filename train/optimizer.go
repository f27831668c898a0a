package train

import (
	"fmt"

	"ringloom/nn"
	"ringloom/nn/op"
)

// Optimizers lists the names that Config.Optimizer takes.
func Optimizers() []string { return []string{"adam", "adamw", "sgd"} }

// optimizer updates what a rank owns of the parameters with the device's kernels, a bucket at a time. The methods are those of torch.optim:
// Adam (Kingma and Ba, arXiv:1412.6980, with epsilon outside the bias-corrected root), AdamW (Loshchilov and Hutter,
// arXiv:1711.05101) and SGD with momentum (no dampening). It keeps no count of steps: begin is told.
type optimizer struct {
	cfg     Config
	device  op.Device
	owned   ownership
	updates [][]update  // by bucket and region
	state   []op.Buffer // of the regions alone, by OptimizerKinds
	hyper   op.Buffer
}

// update is the arithmetic of one bucket, bound to its memory.
type update struct {
	kernel   op.Kernel
	dst, src []op.Buffer
}

func (u *update) run() error { return u.kernel.Run(u.dst, u.src) }

// newOptimizer compiles the updates of the regions, and allocates what the method remembers of each of their parameters:
// Adam's mean and mean square, SGD's velocity.
func newOptimizer(cfg Config, device op.Device, params *nn.Params, owned ownership) (*optimizer, error) {
	o := &optimizer{cfg: cfg, device: device, owned: owned}
	adam := cfg.Optimizer != "sgd"
	for range OptimizerKinds(cfg.Optimizer) {
		b, err := device.Alloc(owned.length)
		if err != nil {
			return nil, fmt.Errorf("allocating the state of %s: %w", cfg.Optimizer, err)
		}
		o.state = append(o.state, b)
	}
	var err error
	if o.hyper, err = device.Alloc(op.HyperLen); err != nil {
		return nil, fmt.Errorf("allocating the state of %s: %w", cfg.Optimizer, err)
	}
	for _, regions := range owned.regions {
		var updates []update
		for _, r := range regions {
			n := r.hi - r.lo
			var spec op.Spec = op.SGDUpdate{Len: n, Nesterov: cfg.Nesterov}
			if adam {
				spec = op.AdamUpdate{Len: n}
			}
			u := update{dst: []op.Buffer{params.Values.Slice(r.lo, n)}, src: []op.Buffer{params.Grads.Slice(r.lo, n), o.hyper}}
			for _, s := range o.state {
				u.dst = append(u.dst, s.Slice(r.at, n))
			}
			if u.kernel, err = device.Compile(spec); err != nil {
				return nil, fmt.Errorf("preparing %s: %w", cfg.Optimizer, err)
			}
			updates = append(updates, u)
		}
		o.updates = append(o.updates, updates)
	}
	return o, nil
}

// begin sets what the updates of a step share. steps is the number of steps taken before; the gradient is multiplied by
// gradScale.
func (o *optimizer) begin(steps int, rate, gradScale float64) error {
	o.setHyper(steps, rate, gradScale)
	return op.Push(o.device, o.hyper)
}

func (o *optimizer) setHyper(steps int, rate, gradScale float64) {
	h := o.hyper.Host
	h[op.HyperRate] = float32(rate)
	h[op.HyperGradScale] = float32(gradScale)
	h[op.HyperL2], h[op.HyperDecay] = float32(o.cfg.WeightDecay), 1
	h[op.HyperMomentum] = float32(o.cfg.Momentum)
	if o.cfg.Optimizer == "sgd" {
		return
	}
	if o.cfg.Optimizer == "adamw" {
		h[op.HyperL2], h[op.HyperDecay] = 0, float32(1-rate*o.cfg.WeightDecay)
	}
	op.Adam{Rate: rate, Beta1: o.cfg.Beta1, Beta2: o.cfg.Beta2, Epsilon: o.cfg.Epsilon}.SetHyper(h, steps+1)
}

// update applies the step to the regions of one bucket, whose gradient must stand in the parameters' gradient memory.
func (o *optimizer) update(bucket int) error {
	for i := range o.updates[bucket] {
		if err := o.updates[bucket][i].run(); err != nil {
			return err
		}
	}
	return nil
}

// load takes the regions' part of memory, one of the kinds that the optimizer keeps of all parameters.
func (o *optimizer) load(kind int, memory []float32) error {
	o.owned.each(func(r region) { copy(o.state[kind].Host[r.at:], memory[r.lo:r.hi]) })
	return op.Push(o.device, o.state[kind])
}

// kept is the regions' memory of one kind, one after the other as ownership has them.
func (o *optimizer) kept(kind int) ([]float32, error) {
	return o.state[kind].Host, op.Pull(o.device, o.state[kind])
}

// store puts the regions into their place in memory, as load takes them.
func (o *optimizer) store(memory []float32, kind int) error {
	kept, err := o.kept(kind)
	o.owned.each(func(r region) { copy(memory[r.lo:r.hi], kept[r.at:]) })
	return err
}
