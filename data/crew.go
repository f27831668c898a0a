package data

import "sync"

// crew is the workers that fill a batch's pixels and labels together, each a contiguous part. The caller of fill is
// the first of them, so a crew of one has no goroutine.
type crew struct {
	set      *Dataset
	size     int // pixels of a resized image
	augment  Augmentation
	labels   bool // alone
	resizers []*Resizer
	scratch  [][]byte      // of each worker: an augmented image
	work     []chan *Batch // to all workers but the first
	pending  sync.WaitGroup
	ended    sync.WaitGroup
}

func newCrew(cfg LoaderConfig) *crew {
	c := &crew{set: cfg.Dataset, size: cfg.Side * cfg.Side, augment: cfg.Augmentation, labels: cfg.LabelsOnly}
	for range cfg.Workers {
		c.resizers = append(c.resizers, NewResizer(cfg.Dataset.Side, cfg.Side))
		c.scratch = append(c.scratch, make([]byte, cfg.Dataset.Side*cfg.Dataset.Side))
	}
	for worker := 1; worker < cfg.Workers; worker++ {
		work := make(chan *Batch)
		c.work = append(c.work, work)
		c.ended.Go(func() {
			for b := range work {
				c.fillPart(b, worker)
				c.pending.Done()
			}
		})
	}
	return c
}

// fill returns when the whole batch is made.
func (c *crew) fill(b *Batch) {
	c.pending.Add(len(c.work))
	for _, work := range c.work {
		work <- b
	}
	c.fillPart(b, 0)
	c.pending.Wait()
}

func (c *crew) fillPart(b *Batch, worker int) {
	for i := b.N * worker / len(c.resizers); i < b.N*(worker+1)/len(c.resizers); i++ {
		sample := int(b.Indices[i])
		b.Labels[i] = float32(c.set.Labels[sample])
		if c.labels {
			continue
		}
		image := c.set.Image(sample)
		if c.augment.changes() {
			c.augment.Apply(c.scratch[worker], image, c.set.Side, sample)
			image = c.scratch[worker]
		}
		c.resizers[worker].Bytes(b.Pixels[i*c.size:(i+1)*c.size], image)
	}
}

// close returns when the workers have ended.
func (c *crew) close() {
	for _, work := range c.work {
		close(work)
	}
	c.ended.Wait()
}
