package nn

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"gorgonia.org/gorgonia"
)

// ProgramConfig says what Compile makes.
type ProgramConfig struct {
	// Device compiles the operations and owns the memory.
	Device Device
	// Params are the parameters of the same model on the same device; several programs may share them.
	Params *Params
	// Batch is the number of images, and Side their height and width.
	Batch, Side int
	// Build is the model.
	Build BuildFunc
	// Training adds the backward pass. Without it a program needs less memory and Backward returns ErrOrder.
	Training bool
}

// Validate says what is missing.
func (c ProgramConfig) Validate() error {
	var missing []error
	for _, f := range []struct {
		name string
		bad  bool
	}{
		{"Device", c.Device == nil}, {"Params", c.Params == nil}, {"Build", c.Build == nil},
		{"Batch of at least 1", c.Batch < 1}, {"Side of at least 1", c.Side < 1},
	} {
		if f.bad {
			missing = append(missing, fmt.Errorf("a program needs a %s", f.name))
		}
	}
	return errors.Join(missing...)
}

// value is a result of a node: where it lies, or how long it must live in the arena. buffer is set at once for memory
// from elsewhere, and after planning for all others.
type value struct {
	lifetime
	buffer Buffer
	placed bool
}

// compilation is the state of Compile.
type compilation struct {
	ProgramConfig
	net    *network
	values map[*gorgonia.Node][]*value // the outputs of each node
	order  []*value                    // those of operations, by first step
	steps  []compiledStep
	kinds  []string
}

type compiledStep struct {
	step
	spec     Spec
	dst, src []*value
}

// Compile builds the model at one batch size, differentiates it, compiles each operation and plans the memory.
// Operations run in the order in which their nodes were created, which is the same in every process.
func Compile(cfg ProgramConfig) (*Program, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	net, err := newNetwork(cfg.Build, cfg.Batch, cfg.Side)
	if err != nil {
		return nil, err
	}
	if err := cfg.Params.match(net.params); err != nil {
		return nil, err
	}
	if cfg.Training {
		if err := net.differentiate(); err != nil {
			return nil, err
		}
	}
	c := &compilation{ProgramConfig: cfg, net: net, values: map[*gorgonia.Node][]*value{}}
	p := &Program{params: cfg.Params, batch: cfg.Batch, classes: net.classes, training: cfg.Training, net: net}
	for _, in := range []struct {
		node *gorgonia.Node
		to   *Buffer
	}{{net.input, &p.pixels}, {net.labels, &p.labels}, {net.scale, &p.scale}} {
		if *in.to, err = cfg.Device.Alloc(in.node.Shape().TotalSize()); err != nil {
			return nil, fmt.Errorf("allocating the %s: %w", in.node.Name(), err)
		}
		c.place(in.node, *in.to)
	}
	for i, n := range net.nodes {
		c.place(n, cfg.Params.Value(i))
	}
	if err := c.addSteps(); err != nil {
		return nil, err
	}
	if err := c.placeGradients(); err != nil {
		return nil, err
	}
	if err := c.planMemory(p); err != nil {
		return nil, err
	}
	c.finish(p)
	return p, nil
}

// place gives a node's value memory from elsewhere.
func (c *compilation) place(n *gorgonia.Node, b Buffer) {
	c.values[n] = []*value{{buffer: b, placed: true}}
}

// addSteps compiles the graph's operations and notes when each value is written and last read.
func (c *compilation) addSteps() error {
	nodes := slices.Clone(c.net.graph.AllNodes())
	slices.SortFunc(nodes, func(a, b *gorgonia.Node) int { return cmp.Compare(a.ID(), b.ID()) })
	for _, n := range nodes {
		switch o := n.Op().(type) {
		case nil: // an input
		case *outputOp:
			c.values[n] = []*value{c.values[o.inputs[0]][o.index]}
		case kernelNode:
			if err := c.addStep(n, o.base()); err != nil {
				return err
			}
		default:
			if n.Value() == nil { // not the constant one that Grad starts from
				return fmt.Errorf("%w: the graph holds %v, which is not an operation of this package", ErrModel, o)
			}
		}
	}
	return nil
}

func (c *compilation) addStep(n *gorgonia.Node, o *op) (err error) {
	if o.kernel, err = c.Device.Compile(o.spec); err != nil {
		return fmt.Errorf("compiling %v for %s: %w", o, c.Device.Name(), err)
	}
	s := compiledStep{step: step{kernel: o.kernel, kind: c.kind(o.spec)}, spec: o.spec}
	now := len(c.steps)
	for _, child := range o.inputs {
		v := c.values[child][0]
		v.last = now
		s.src = append(s.src, v)
	}
	lens, _ := Operands(o.spec)
	for _, length := range lens {
		v := &value{lifetime: lifetime{length: length, first: now, last: now}}
		s.dst, c.order = append(s.dst, v), append(c.order, v)
	}
	c.values[n] = s.dst
	c.steps = append(c.steps, s)
	return nil
}

func (c *compilation) kind(spec Spec) int {
	k := Kind(spec)
	if i := slices.Index(c.kinds, k); i >= 0 {
		return i
	}
	c.kinds = append(c.kinds, k)
	return len(c.kinds) - 1
}

// placeGradients lets the operations write the parameters' gradients straight into their arena, and notes after
// which step each is final: the later parameters first.
func (c *compilation) placeGradients() error {
	for i := len(c.net.grads) - 1; i >= 0; i-- {
		v := c.values[c.net.grads[i]][0]
		if v.placed {
			return fmt.Errorf("%w: the gradient of %s is also another value", ErrModel, c.net.params[i].Name)
		}
		v.buffer, v.placed = c.Params.Grad(i), true
		c.steps[v.first].ready = append(c.steps[v.first].ready, i)
	}
	return nil
}

// planMemory allocates one arena for all values that have no place yet. The logits and the loss stay to the end for
// the caller to read.
func (c *compilation) planMemory(p *Program) error {
	logits, loss := c.values[c.net.logits][0], c.values[c.net.loss][0]
	logits.last, loss.last = len(c.steps)-1, len(c.steps)-1

	var free []*value
	var lives []lifetime
	for _, v := range c.order {
		if !v.placed {
			free, lives = append(free, v), append(lives, v.lifetime)
		}
	}
	offsets, total := planArena(lives)
	arena, err := c.Device.Alloc(total)
	if err != nil {
		return fmt.Errorf("allocating %d elements for activations: %w", total, err)
	}
	for i, v := range free {
		v.buffer, v.placed = arena.Slice(offsets[i], v.length), true
	}
	p.logits, p.stats, p.activations = logits.buffer, loss.buffer, total
	return nil
}

// finish turns the steps' values into buffers and splits forward from backward behind the loss.
func (c *compilation) finish(p *Program) {
	lossKind := Kind(SoftmaxCrossEntropyForward{})
	forward := true
	for _, s := range c.steps {
		for _, v := range s.dst {
			s.step.dst = append(s.step.dst, v.buffer)
		}
		for _, v := range s.src {
			s.step.src = append(s.step.src, v.buffer)
		}
		if forward {
			p.forward, p.forwardFLOPs = append(p.forward, s.step), p.forwardFLOPs+FLOPs(s.spec)
		} else {
			p.backward, p.backwardFLOPs = append(p.backward, s.step), p.backwardFLOPs+FLOPs(s.spec)
		}
		if Kind(s.spec) == lossKind {
			forward = false
		}
	}
	p.profile = make([]KindTime, len(c.kinds))
	for i, k := range c.kinds {
		p.profile[i].Kind = k
	}
	p.SetLossScale(1 / float32(p.batch))
}
