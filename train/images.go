package train

import (
	"context"

	"ringloom/data"
	"ringloom/nn/exec"
	"ringloom/nn/op"
)

// images brings images to programs: from a set through a loader, resized on the way to a device that computes in the
// host's memory, or by an accelerator itself.
type images struct {
	labelsOnly  bool // the device looks at no image
	accelerated bool
	side        int           // that the network takes
	resampling  op.Resampling // on an accelerator
	blank       struct {      // on an accelerator
		pixels []byte
		labels []float32
	}
}

// imageIgnorer is a device that may not look at images, as package emulate's: then none is loaded.
type imageIgnorer interface{ IgnoresImages() bool }

// newImages is for sets whose images are stored [stored, stored] and a network that takes them [side, side].
func newImages(device op.Device, stored, side int) *images {
	m := &images{side: side}
	if d, ok := device.(imageIgnorer); ok {
		m.labelsOnly = d.IgnoresImages()
	}
	if _, m.accelerated = op.AsAccelerator(device); m.accelerated {
		m.resampling = op.Resampling(data.NewResampling(stored, side))
	}
	return m
}

// loader loads batches of a set. Close it.
func (m *images) loader(set *data.Dataset, steps int, augment data.Augmentation, batch func(step int, dst []int32) []int32) *data.Loader {
	side := m.side
	if m.accelerated {
		side = set.Side
	}
	return data.NewLoader(data.LoaderConfig{
		Dataset: set, Side: side, Steps: steps, Augmentation: augment, LabelsOnly: m.labelsOnly, Batch: batch,
	})
}

// load puts the samples [lo, hi) of a batch into a program's input.
func (m *images) load(program *exec.Program, batch *data.Batch, lo, hi int) error {
	if !program.TakesImages() {
		pixels, labels := program.Input()
		batch.Fill(pixels, labels, lo, hi)
		return nil
	}
	size := m.resampling.From * m.resampling.From
	return program.LoadImages(batch.Pixels[lo*size:hi*size], &m.resampling, batch.Labels[lo:hi])
}

// loadBlank makes a program's input images of nothing.
func (m *images) loadBlank(program *exec.Program) error {
	if !program.TakesImages() {
		pixels, labels := program.Input()
		clear(pixels)
		clear(labels)
		return nil
	}
	n := program.Batch()
	if len(m.blank.labels) != n {
		m.blank.pixels, m.blank.labels = make([]byte, n*m.resampling.From*m.resampling.From), make([]float32, n)
	}
	return program.LoadImages(m.blank.pixels, &m.resampling, m.blank.labels)
}

// forward runs the forward pass over the images [lo, hi) of a set, in their order and so many at once, and calls each
// behind every batch.
func (m *images) forward(ctx context.Context, set *data.Dataset, lo, hi, atOnce int,
	program func(batch int) (*exec.Program, error), each func(*data.Batch, *exec.Program, exec.Stats) error) error {
	loader := m.loader(set, (hi-lo+atOnce-1)/atOnce, data.Augmentation{}, func(step int, dst []int32) []int32 {
		for i := lo + step*atOnce; i < min(lo+(step+1)*atOnce, hi); i++ {
			dst = append(dst, int32(i))
		}
		return dst
	})
	defer loader.Close()
	for done := lo; done < hi; {
		batch, err := loader.Next(ctx)
		if err != nil {
			return err
		}
		p, err := program(batch.N)
		if err != nil {
			return err
		}
		if err := m.load(p, batch, 0, batch.N); err != nil {
			return err
		}
		stats, err := p.Forward()
		if err != nil {
			return err
		}
		if err := each(batch, p, stats); err != nil {
			return err
		}
		done += batch.N
		loader.Release(batch)
	}
	return nil
}
