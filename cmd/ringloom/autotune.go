package main

import (
	"context"
	"errors"
	"fmt"

	"go.uber.org/zap"

	"ringloom/allreduce"
	"ringloom/allreduce/codec"
	"ringloom/allreduce/natsring"
	"ringloom/allreduce/tune"
	"ringloom/models"
	"ringloom/nn"
	"ringloom/train"
)

// openTunedRing finds the chunks, the window, the number of rings and then the size of buckets that are fastest for this
// model between these ranks, takes them over, and opens the ring. All ranks come to the same choice.
func (n *node) openTunedRing(ctx context.Context) (ring *allreduce.Group, err error) {
	spec, err := models.Lookup(n.Model)
	if err != nil {
		return nil, err
	}
	info, err := nn.Inspect(spec.InputSide, spec.Build)
	if err != nil {
		return nil, err
	}
	base := n.ringFlags.config()
	base.Spin = n.spin.on(n.view, computeThreads(n.dev, n.threads))
	c := tune.DefaultConfig(base, train.BucketLengths(n.Config, info))
	c.MaxFrameBytes = natsring.DefaultServerConfig().MaxPayloadBytes
	if n.natsURL != "" {
		c.MaxFrameBytes = base.FrameBytes() // what an external server takes is known to be enough for this
	}
	if c.Format, err = codec.Parse(n.Wire); err != nil {
		return nil, err
	}
	found, err := tune.Ring(ctx, c, func(ctx context.Context, cfg allreduce.Config, trial int) (*allreduce.Group, error) {
		return n.openRingAs(ctx, cfg, n.sharedMemory, trial)
	})
	if err != nil {
		return nil, fmt.Errorf("--autotune: %w", err)
	}
	best := found.Best
	n.chunkBytes, n.windowBytes, n.rings = byteSize(best.ChunkBytes), byteSize(best.WindowBytes), best.Rings
	if ring, err = n.member.openRing(ctx, n.ringFlags, computeThreads(n.dev, n.threads)); err != nil {
		return nil, err
	}
	bucketBytes, trials, err := n.tuneBuckets(ctx, ring)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("--autotune: %w", err), ring.Close())
	}
	n.BucketBytes = bucketBytes
	n.tuned = []zap.Field{
		zap.String("flags", fmt.Sprintf("--chunk-bytes %d --window-bytes %d --rings %d --bucket-bytes %d", best.ChunkBytes, best.WindowBytes, best.Rings, bucketBytes)),
		zap.String("sums", fmt.Sprintf("%.3g ms, %.3g ms before", 1e3*found.After, 1e3*found.Before)), zap.Int("rings_tried", len(found.Trials)),
		zap.Any("bucket_trials", trials),
	}
	return ring, nil
}

// logTuned says what was found, once the run has a log file: who goes on with the run to the bit needs the flags.
func (n *node) logTuned() {
	if n.tuned == nil {
		return
	}
	log := n.logger.Debug
	if n.view.Leads() {
		log = n.logger.Info
	}
	log("tuned the ring; these flags pin the choice", n.tuned...)
}

// tuneBuckets takes trial steps on a device of their own, whose memory is given back.
func (n *node) tuneBuckets(ctx context.Context, ring *allreduce.Group) (int, []train.BucketTrial, error) {
	device, _, err := openDevice(n.device, n.threads, n.kernels, n.gpuFlags)
	if err != nil {
		return 0, nil, err
	}
	defer device.Close()
	spec, err := models.Lookup(n.Model)
	if err != nil {
		return 0, nil, err
	}
	share := n.expect * max(1, n.Accumulate)
	if _, err := tuneKernels(ctx, device, n.kernels, spec, (n.GlobalBatch+share-1)/share, true); err != nil {
		return 0, nil, err
	}
	return train.TuneBuckets(ctx, train.Options{
		Config: n.Config, Device: device, Ring: ring, Rank: n.view.Rank, WorldSize: n.view.WorldSize(), Train: n.sets.train, Test: n.sets.test,
	})
}
