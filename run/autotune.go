package run

import (
	"context"
	"errors"
	"fmt"

	"ringloom/allreduce"
	"ringloom/allreduce/codec"
	"ringloom/allreduce/natsring"
	"ringloom/allreduce/tune"
	"ringloom/models"
	"ringloom/train"
)

// openTunedRing finds the chunks, the window, the number of rings and then the size of buckets that are fastest for this
// model between these ranks, takes them over, and opens the ring. All ranks come to the same choice.
func (n *node) openTunedRing(ctx context.Context) (ring *allreduce.Group, err error) {
	spec, info, err := lookUp(n.Train.Model)
	if err != nil {
		return nil, err
	}
	base := n.groupConfig(n.Ring, n.busyThreads())
	c := tune.DefaultConfig(base, train.BucketLengths(n.Train, info))
	c.MaxFrameBytes = natsring.DefaultServerConfig().MaxPayloadBytes
	if n.Member.NATSURL != "" {
		c.MaxFrameBytes = base.FrameBytes() // what an external server takes is known to be enough for this
	}
	if c.Format, err = codec.Parse(n.Train.Wire); err != nil {
		return nil, err
	}
	found, err := tune.Ring(ctx, c, func(ctx context.Context, cfg allreduce.Config, trial int) (*allreduce.Group, error) {
		return n.openRingAs(ctx, cfg, n.Ring.SharedMemory, trial)
	})
	if err != nil {
		return nil, fmt.Errorf("tuning the ring: %w", err)
	}
	best := found.Best
	n.Ring.ChunkBytes, n.Ring.WindowBytes, n.Ring.Rings = best.ChunkBytes, best.WindowBytes, best.Rings
	if ring, err = n.OpenRing(ctx, n.Ring, n.busyThreads()); err != nil {
		return nil, err
	}
	bucketBytes, trials, err := n.tuneBuckets(ctx, spec, ring)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("tuning the buckets: %w", err), ring.Close())
	}
	n.Train.BucketBytes = bucketBytes
	n.tuned = &Tuned{
		ChunkBytes: best.ChunkBytes, WindowBytes: best.WindowBytes, Rings: best.Rings, BucketBytes: bucketBytes,
		Before: found.Before, After: found.After, RingsTried: len(found.Trials), BucketTrials: trials,
	}
	return ring, nil
}

// tuneBuckets takes trial steps on a device of their own, whose memory is given back.
func (n *node) tuneBuckets(ctx context.Context, spec models.Spec, ring *allreduce.Group) (int, []train.BucketTrial, error) {
	device, _, err := OpenDevice(n.Device)
	if err != nil {
		return 0, nil, err
	}
	defer device.Close()
	if _, err := n.Device.Kernels.Tune(ctx, device, spec, n.microBatch(), true); err != nil {
		return 0, nil, err
	}
	return train.TuneBuckets(ctx, train.Options{
		Config: n.Train, Device: device, Ring: ring, Rank: n.View.Rank, WorldSize: n.View.WorldSize(), Train: n.sets.Train, Test: n.sets.Test,
	})
}
