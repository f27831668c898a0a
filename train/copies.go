package train

import (
	"fmt"

	"ringloom/nn"
	"ringloom/nn/exec"
	"ringloom/nn/op"
	"ringloom/nn/purego"
)

// copies bring buckets of gradients from an accelerator's memory to their mirror in the host's, where the ring adds them up,
// and the sums back. nil does nothing: for a device that computes in the host's memory, and for a run that needs no gradient
// there.
type copies struct {
	acc   op.Accelerator
	grads []op.Buffer   // by bucket
	under []op.Transfer // on their way to the mirror, by bucket
}

func newCopies(acc op.Accelerator, params *nn.Params, plan []bucket) *copies {
	c := &copies{acc: acc, under: make([]op.Transfer, len(plan))}
	for _, b := range plan {
		c.grads = append(c.grads, params.Grads.Slice(b.lo, b.hi-b.lo))
	}
	return c
}

// start lets a bucket follow behind what the accelerator has been told to do.
func (c *copies) start(b int) (err error) {
	if c != nil {
		c.under[b], err = c.acc.StartPull(c.grads[b])
	}
	return err
}

// wait returns when a bucket has arrived in the mirror, which is the host's from then on.
func (c *copies) wait(b int) error {
	if c == nil {
		return nil
	}
	return c.under[b].Wait()
}

// back brings what the mirror holds to the accelerator.
func (c *copies) back(b int) error {
	if c == nil {
		return nil
	}
	return c.acc.StartPush(c.grads[b])
}

// travels says whether gradients are needed in the host's memory.
func (w *Worker) travels() bool { return w.WorldSize > 1 || w.PowerSGD > 0 }

// blank makes a bucket's gradients zero where the device has them.
func (w *Worker) blank(b bucket) error {
	grads := w.params.Grads.Slice(b.lo, b.hi-b.lo)
	if w.acc == nil {
		clear(grads.Host)
		return nil
	}
	if n := b.hi - b.lo; len(w.zeros) < n {
		w.zeros = make([]float32, n)
	}
	return w.acc.Put(grads, w.zeros[:b.hi-b.lo])
}

// hostAlloc is memory that nothing but the host needs.
func hostAlloc(device op.Device, n int) (op.Buffer, error) {
	if _, ok := device.(op.Accelerator); ok {
		return op.NewHostBuffer(n)
	}
	return device.Alloc(n)
}

// hostDevice computes in the host's memory: it is the device itself or, in the place of an accelerator, purego, which the
// caller closes.
func hostDevice(device op.Device) (_ op.Device, opened *purego.Device) {
	if _, ok := device.(op.Accelerator); ok {
		opened = purego.New()
		return opened, opened
	}
	return device, nil
}

// stops are the parameters behind whose gradients the buckets of some plans start.
func stops(c exec.Config, plans [][]bucket) ([]int, error) {
	order, err := c.GradientOrder()
	if err != nil {
		return nil, fmt.Errorf("finding out when gradients are final: %w", err)
	}
	var last []int
	for _, plan := range plans {
		tracker := newBucketTracker(plan, len(order))
		for _, p := range order {
			if from, to := tracker.ready(p); from < to {
				last = append(last, p)
			}
		}
	}
	return last, nil
}
