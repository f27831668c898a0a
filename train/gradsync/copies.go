package gradsync

import (
	"ringloom/nn"
	"ringloom/nn/op"
)

// copies bring buckets of gradients from an accelerator's memory to their mirror in the host's, where the ring adds them up,
// and the sums back. nil does nothing: for a device that computes in the host's memory, and for a run that needs no gradient
// there.
type copies struct {
	acc   op.Accelerator
	grads []op.Buffer   // by bucket
	under []op.Transfer // on their way to the mirror, by bucket
}

func newCopies(acc op.Accelerator, params *nn.Params, plan Plan) *copies {
	c := &copies{acc: acc, under: make([]op.Transfer, len(plan))}
	for _, b := range plan {
		c.grads = append(c.grads, b.of(params.Grads))
	}
	return c
}

// start queues a bucket's copy behind what the accelerator has been told to do.
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
