package gradsync

import (
	"runtime"

	"ringloom/nn"
	"ringloom/nn/op"
	"ringloom/nn/purego"
	"ringloom/train/optim"
)

// powerSGD exchanges the gradients of large matrices as products of thin ones (Vogels et al., arXiv:1905.13727, algorithms 1
// and 2, with warm start). A step takes each matrix M, this rank's gradient and residual, through three stages:
//
//	project      P = M Q; the sum of P travels while backward runs
//	backProject  P is made orthonormal; Q = M^T P; the sum of Q travels
//	expand       the gradient is P Q^T, and the residual keeps M less this rank's share of it
//
// The factors lie transposed, [rank, rows] and [rank, cols], so that the products are those of a linear layer with the
// weights M and a batch of rank, which the device has kernels for, or purego in the place of an accelerator: all of this is
// done in the host's memory. What they compute may differ between ranks, for it is summed; what comes behind the sums is
// plain Go, the same to the bit. Factors travel as float32, whatever the format of other gradients. nil is for a run
// without.
type powerSGD struct {
	seed     uint64
	start    int // step
	matrices []*factored
	byBucket []*factored // nil where a bucket travels whole
	q        []float32   // of all matrices: what the next step starts from
	before   []float32   // q of the last committed step, while one is under way that changes it
	changed  bool
}

// factored is one matrix and its factors.
type factored struct {
	bucket, number int
	rank           int
	grad           []float32 // [rows, cols]
	p, q           []float32 // [rank, rows] and [rank, cols]
	products       [2]products
	into           int // the half of the residuals that the step under way writes to
}

// products are a matrix's kernels where the step's residual, M, lies in one half of the residuals.
type products struct {
	m              []float32  // [rows, cols]
	keep           optim.Call // m = committed residual + grad
	forward, right optim.Call // p = q m^T; q = p m
}

func newPowerSGD(c Config, device op.Device, params *nn.Params, left *residuals, plan Plan) (*powerSGD, error) {
	length := c.FactorsLen(params.List)
	if length == 0 {
		return nil, nil
	}
	failed := func(err error) (*powerSGD, error) { return nil, preparing("PowerSGD", err) }
	device, opened := hostDevice(device)
	all, err := device.Alloc(length)
	if err != nil {
		return failed(err)
	}
	s := &powerSGD{
		seed: c.Seed, start: c.PowerSGDStart, byBucket: make([]*factored, len(plan)), q: all.Host, before: make([]float32, length),
	}
	if opened != nil { // its goroutines end when nobody can use it any more
		runtime.AddCleanup(s, func(d *purego.Device) { d.Close() }, opened)
	}
	at := 0
	for b, bucket := range plan {
		w := params.List[bucket.first]
		if !c.Compresses(w) {
			continue
		}
		rows, cols := w.Shape[0], w.Shape[1]
		var p, bias op.Buffer
		if p, err = device.Alloc(c.PowerSGD * rows); err != nil {
			return failed(err)
		}
		if bias, err = device.Alloc(rows); err != nil {
			return failed(err)
		}
		q, grad := all.Slice(at, c.PowerSGD*cols), bucket.of(params.Grads)
		at += c.PowerSGD * cols
		f := &factored{
			bucket: b, number: len(s.matrices), rank: c.PowerSGD,
			grad: grad.Host, p: p.Host, q: q.Host,
		}
		layer := op.Linear{Src: op.Image{N: c.PowerSGD, H: 1, W: 1, C: cols}, Out: rows}
		var sum, forward, right op.Kernel
		for _, k := range []struct {
			to   *op.Kernel
			spec op.Spec
		}{
			{&sum, op.Add{Len: w.Len}}, {&forward, op.LinearForward{Linear: layer}}, {&right, op.LinearBackwardData{Linear: layer}},
		} {
			if *k.to, err = device.Compile(k.spec); err != nil {
				return failed(err)
			}
		}
		for half := range f.products {
			m, committed := bucket.of(left.half[half]), bucket.of(left.half[1-half])
			f.products[half] = products{
				m:       m.Host,
				keep:    optim.Call{Kernel: sum, Dst: []op.Buffer{m}, Src: []op.Buffer{committed, grad}},
				forward: optim.Call{Kernel: forward, Dst: []op.Buffer{p}, Src: []op.Buffer{q, m, bias}},
				right:   optim.Call{Kernel: right, Dst: []op.Buffer{q}, Src: []op.Buffer{p, m}},
			}
		}
		for i := range f.rank {
			randomRow(f.q[i*cols:(i+1)*cols], s.seed, uint64(f.number), uint64(i))
		}
		s.matrices = append(s.matrices, f)
		s.byBucket[b] = f
	}
	return s, nil
}

// matrix is the matrix that a bucket sends as factors in a step, or nil.
func (s *powerSGD) matrix(bucket, step int) *factored {
	if s == nil || step < s.start {
		return nil
	}
	return s.byBucket[bucket]
}

// project leaves this rank's part of P in p. A row of Q that has died, as behind a gradient of zeros, begins anew.
func (s *powerSGD) project(f *factored, step int, left *residuals) error {
	if !s.changed {
		copy(s.before, s.q)
		s.changed = true
	}
	left.spare(f.bucket)
	f.into = 1 - left.live[f.bucket]
	if err := f.products[f.into].keep.Run(); err != nil {
		return err
	}
	row := 0
	orthonormalise(f.q, f.rank, func(v []float32) {
		row++
		randomRow(v, s.seed, uint64(f.number), uint64(step)<<8+uint64(row))
	})
	return f.products[f.into].forward.Run()
}

// backProject makes the sum of P into this rank's part of Q.
func (f *factored) backProject() error {
	orthonormalise(f.p, f.rank, nil)
	return f.products[f.into].right.Run()
}

// expand makes the sum of Q into the sum of the gradients, and remembers what it lacks of this rank's share.
func (f *factored) expand(share float32) {
	decompress(f.grad, f.products[f.into].m, f.p, f.q, f.rank, share)
}

// commit takes over the factors of the step.
func (s *powerSGD) commit() {
	if s != nil {
		s.changed = false
	}
}

// abort goes back to those of the step before.
func (s *powerSGD) abort() {
	if s != nil && s.changed {
		copy(s.q, s.before)
		s.changed = false
	}
}

// factors is the memory that a Memory holds, not a copy.
func (s *powerSGD) factors() []float32 {
	if s == nil {
		return nil
	}
	return s.q
}
