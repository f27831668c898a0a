package train

import (
	"context"
	"fmt"
	"runtime"

	"ringloom/allreduce"
	"ringloom/nn"
	"ringloom/nn/op"
	"ringloom/nn/purego"
	"ringloom/timeline"
)

// leastLowRank is the fewest elements of weights whose gradient PowerSGD sends as factors: below 64 KiB a sum is a matter
// of latency, of which two factors have more than one matrix. leastCompression is by how much they must be smaller.
const (
	leastLowRank     = 16 << 10
	leastCompression = 2
)

// compresses says whether PowerSGD sends a parameter's gradient as factors.
func (c Config) compresses(p nn.Param) bool {
	if c.PowerSGD < 1 || p.Layer != "Linear" || p.Kind != "weight" || p.Len < leastLowRank {
		return false
	}
	return p.Len/c.PowerSGD >= leastCompression*(p.Shape[0]+p.Shape[1])
}

// factorsLen is the number of elements of State.Factors.
func (c Config) factorsLen(params []nn.Param) (n int) {
	for _, p := range params {
		if c.compresses(p) {
			n += c.PowerSGD * p.Shape[1]
		}
	}
	return n
}

// ValidateModel says in one line what a model with these parameters makes impossible, or nil.
func (c Config) ValidateModel(params []nn.Param) error {
	if c.PowerSGD == 0 || c.factorsLen(params) > 0 {
		return nil
	}
	return fmt.Errorf("--powersgd %d: %s has no fully connected weights of at least %d elements that factors of this rank would shrink to less than a half: give a lower rank, or leave it out",
		c.PowerSGD, c.Model, leastLowRank)
}

func (c Config) validatePowerSGD() error {
	switch {
	case c.PowerSGD < 0:
		return fmt.Errorf("--powersgd %d: give the rank of the factors, such as 2 or 4, or 0 to send gradients whole", c.PowerSGD)
	case c.PowerSGDStart < 0:
		return fmt.Errorf("--powersgd-start %d: give the number of steps that send gradients whole before", c.PowerSGDStart)
	case c.PowerSGD > 0 && c.ShardOptimizer:
		return fmt.Errorf("--powersgd with --shard-optimizer makes no sense: one sends little of the gradients, the other all of the parameters; leave one out")
	}
	return nil
}

// powerSGD exchanges the gradients of large matrices as products of thin ones (Vogels et al., arXiv:1905.13727, algorithms 1
// and 2, with warm start). A step takes each matrix M, this rank's gradient and residual, through three stages:
//
//	begin   P = M Q; the sum of P travels while backward runs
//	turn    P is made orthonormal; Q = M^T P; the sum of Q travels
//	finish  the gradient is P Q^T, and the residual keeps M less this rank's share of it
//
// The factors lie transposed, [rank, rows] and [rank, cols], so that the products are those of a linear layer with the
// weights M and a batch of rank, which the device has kernels for, or purego in the place of an accelerator: all of this is
// done in the host's memory. What they compute may differ between ranks, for it is
// summed; what comes behind the sums is plain Go, the same to the bit. Factors travel as float32, whatever the format
// of other gradients. nil is for a run without.
type powerSGD struct {
	seed     uint64
	start    int // step
	matrices []*factored
	byBucket []*factored // nil where a bucket travels whole
	all      []float32   // q of all matrices
}

// factored is one matrix and its factors.
type factored struct {
	bucket, number       int
	rank                 int
	share                float32   // of the sum that is one rank's
	grad, residual       []float32 // [rows, cols]
	p, q                 []float32 // [rank, rows] and [rank, cols]
	keep, forward, right update    // residual += grad; p = q residual^T; q = p residual
}

func newPowerSGD(c Config, world int, device op.Device, params *nn.Params, residual op.Buffer, plan []bucket) (*powerSGD, error) {
	length := c.factorsLen(params.List)
	if length == 0 {
		return nil, nil
	}
	failed := func(err error) (*powerSGD, error) { return nil, fmt.Errorf("preparing PowerSGD: %w", err) }
	device, opened := hostDevice(device)
	all, err := device.Alloc(length)
	if err != nil {
		return failed(err)
	}
	s := &powerSGD{seed: c.Seed, start: c.PowerSGDStart, byBucket: make([]*factored, len(plan)), all: all.Host}
	if opened != nil { // its goroutines end when nobody can use it any more
		runtime.AddCleanup(s, func(d *purego.Device) { d.Close() }, opened)
	}
	at := 0
	for b, bk := range plan {
		w := params.List[bk.first]
		if !c.compresses(w) {
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
		q, grad, left := all.Slice(at, c.PowerSGD*cols), params.Grads.Slice(bk.lo, w.Len), residual.Slice(bk.lo, w.Len)
		at += c.PowerSGD * cols
		f := &factored{
			bucket: b, number: len(s.matrices), rank: c.PowerSGD, share: 1 / float32(world),
			grad: grad.Host, residual: left.Host, p: p.Host, q: q.Host,
			keep:    update{dst: []op.Buffer{left}, src: []op.Buffer{left, grad}},
			forward: update{dst: []op.Buffer{p}, src: []op.Buffer{q, left, bias}},
			right:   update{dst: []op.Buffer{q}, src: []op.Buffer{p, left}},
		}
		layer := op.Linear{Src: op.Image{N: c.PowerSGD, H: 1, W: 1, C: cols}, Out: rows}
		for _, k := range []struct {
			to   *op.Kernel
			spec op.Spec
		}{
			{&f.keep.kernel, op.Add{Len: w.Len}},
			{&f.forward.kernel, op.LinearForward{Linear: layer}},
			{&f.right.kernel, op.LinearBackwardData{Linear: layer}},
		} {
			if *k.to, err = device.Compile(k.spec); err != nil {
				return failed(err)
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

// begin leaves this rank's part of P in p. A row of Q that has died, as behind a gradient of zeros, begins anew.
func (s *powerSGD) begin(f *factored, step int) error {
	if err := f.keep.run(); err != nil {
		return err
	}
	row := 0
	orthonormalise(f.q, f.rank, func(v []float32) {
		row++
		randomRow(v, s.seed, uint64(f.number), uint64(step)<<8+uint64(row))
	})
	return f.forward.run()
}

// turn makes the sum of P into this rank's part of Q.
func (f *factored) turn() error {
	orthonormalise(f.p, f.rank, nil)
	return f.right.run()
}

// finish makes the sum of Q into the sum of the gradients, and remembers what it lacks.
func (f *factored) finish() { decompress(f.grad, f.residual, f.p, f.q, f.rank, f.share) }

// startFactors begins a compressed bucket's way to the other ranks.
func (w *Worker) startFactors(f *factored) *allreduce.Pending {
	w.note(w.low.begin(f, w.steps))
	return w.Ring.StartAllReduce(f.p, allreduce.Sum{Bucket: f.bucket})
}

// turnFactors waits for the first factor of each compressed bucket and sends the second.
func (w *Worker) turnFactors(ctx context.Context, t *Timing, watch *stopwatch) error {
	for b := range w.tracker.plan {
		f := w.low.matrix(b, w.steps)
		if f == nil {
			continue
		}
		err := w.pending[b].Wait(ctx)
		w.lap(watch, &t.ExposedComm, timeline.Wait, b)
		if err != nil {
			return err
		}
		w.recordComm(timeline.Comm, b, 4*int64(len(f.p)), w.pending[b])
		if err := f.turn(); err != nil {
			return err
		}
		w.pending[b] = w.Ring.StartAllReduce(f.q, allreduce.Sum{Bucket: b})
		w.lap(watch, &t.Optimizer, timeline.Optimizer, b)
	}
	return nil
}

// scatter gives every rank the factors that rank 0 resumes from, unless this run has factors of another rank: then they
// begin anew.
func (s *powerSGD) scatter(ctx context.Context, ring *allreduce.Group, resumed *State, was, is Config) error {
	if s == nil || was.PowerSGD != is.PowerSGD {
		return nil
	}
	if resumed != nil {
		copy(s.all, resumed.Factors)
	}
	return ring.Broadcast(ctx, s.all, 0)
}

// factors is the memory that a State holds, not a copy.
func (s *powerSGD) factors() []float32 {
	if s == nil {
		return nil
	}
	return s.all
}
