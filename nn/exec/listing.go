package exec

import (
	"ringloom/nn"
	"ringloom/nn/op"
)

// listing is a step under work: fusion rewrites it, and planning says where its results lie.
type listing struct {
	*nn.Listing
	memory map[*nn.Value]*memory // of the roots of planned values
	half   map[*nn.Value]bool    // roots whose elements are bfloat16
}

// listing is the step that the configuration asks for, fused.
func (c Config) listing() (*listing, error) {
	lowered, err := nn.Lower(nn.Config{
		Build: c.Build, Batch: c.Batch, Side: c.Side,
		Training: c.Training, NoDropout: c.NoDropout, Smoothing: c.Smoothing,
	})
	if err != nil {
		return nil, err
	}
	l := &listing{Listing: lowered, memory: map[*nn.Value]*memory{}, half: map[*nn.Value]bool{}}
	if !c.Unfused {
		_, accelerated := op.AsAccelerator(c.Device)
		l.fuse(accelerated)
	}
	for _, i := range l.Instructions {
		if s, ok := i.Spec.(op.BatchNormForward); ok && c.SyncBatch > 0 {
			s.Count = s.Count / c.Batch * c.SyncBatch
			i.Spec = s
		}
	}
	return l, nil
}
