package data

import (
	"context"
	"fmt"
	"io"
	"sync"
)

// LoaderConfig says which batches a Loader makes.
type LoaderConfig struct {
	Dataset *Dataset
	// Side is the height and width of the batches' images in pixels. 0 means the data set's.
	Side int
	// Steps is the number of batches.
	Steps int
	// Batch appends the indices of a step's samples (steps from 0, in order) to dst, which is empty, and returns it. It
	// may append none: the batch is then empty. The loader calls it from a goroutine of its own, one step at a time.
	Batch func(step int, dst []int32) []int32
	// Depth is the number of batches in memory, the one in use included. 0 means 3: one in use, one ready, one being
	// made. More only helps where the time of a step varies much.
	Depth int
	// Augmentation changes the images before they are resized. The zero value changes none.
	Augmentation Augmentation
	// Workers is the number of goroutines that resize a batch together. 0 means 1, which makes thousands of images/s
	// even at 224 pixels.
	Workers int
	// LabelsOnly leaves Batch.Pixels empty: nothing is decoded, changed or resized.
	LabelsOnly bool
}

func (c LoaderConfig) withDefaults() LoaderConfig {
	if c.Side == 0 {
		c.Side = c.Dataset.Side
	}
	if c.Depth == 0 {
		c.Depth = 3
	}
	if c.Workers == 0 {
		c.Workers = 1
	}
	return c
}

// Batch is one step's samples. The loader owns the memory; it is valid from Next until Release.
type Batch struct {
	Pixels  []byte    // [N, Side, Side], resized; empty with LabelsOnly
	Labels  []float32 // [N], the class numbers
	Indices []int32   // [N], which samples of the data set these are
	N       int

	out bool // handed out by Next
}

// Fill copies the samples [lo, hi) to a step's input: the labels, and the pixels divided by 255 unless the batch has
// none. It panics if the lengths differ.
func (b *Batch) Fill(pixels, labels []float32, lo, hi int) {
	size := len(b.Pixels) / max(b.N, 1)
	if n := hi - lo; len(labels) != n || size > 0 && len(pixels) != n*size {
		panic(fmt.Sprintf("data: %d samples of %d pixels for room of %d labels and %d pixels", n, size, len(labels), len(pixels)))
	}
	copy(labels, b.Labels[lo:hi])
	if size > 0 {
		Normalize(pixels, b.Pixels[lo*size:hi*size])
	}
}

// Loader makes batches ahead of the step that uses them. Next and Release may be called from one goroutine at a time.
// After the first batches nothing is allocated, unless a batch is larger than all before it.
type Loader struct {
	cfg   LoaderConfig
	free  chan *Batch
	ready chan *Batch
	err   error // why ready was closed early; read after that

	stop  chan struct{}
	ended chan struct{}
	once  sync.Once
}

// NewLoader starts making batches. The caller must Close it.
func NewLoader(cfg LoaderConfig) *Loader {
	cfg = cfg.withDefaults()
	l := &Loader{
		cfg:   cfg,
		free:  make(chan *Batch, cfg.Depth),
		ready: make(chan *Batch, cfg.Depth),
		stop:  make(chan struct{}),
		ended: make(chan struct{}),
	}
	for range cfg.Depth {
		l.free <- &Batch{}
	}
	go l.run()
	return l
}

// Next returns the next batch, in the order of steps. It blocks until the batch is made. The error is io.EOF after
// the last one, ErrClosed after Close, the context's cause, or an index that lies outside the data set.
func (l *Loader) Next(ctx context.Context) (*Batch, error) {
	select {
	case <-l.stop:
		return nil, ErrClosed
	default:
	}
	select {
	case b, ok := <-l.ready:
		if !ok {
			return nil, l.endCause()
		}
		b.out = true
		return b, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

func (l *Loader) endCause() error {
	if l.err != nil {
		return l.err
	}
	return io.EOF
}

// Release gives a batch of Next back. Its memory will be overwritten. Releasing one twice panics.
func (l *Loader) Release(b *Batch) {
	if !b.out {
		panic("data: Release of a batch that is not in use")
	}
	b.out = false
	l.free <- b
}

// Close stops making batches and returns when the loader's goroutines have ended. Batches in use stay valid. It may
// be called more than once.
func (l *Loader) Close() {
	l.once.Do(func() { close(l.stop) })
	<-l.ended
}

// run makes all batches in order.
func (l *Loader) run() {
	defer close(l.ended)
	defer close(l.ready)
	crew := newCrew(l.cfg)
	defer crew.close()
	for step := range l.cfg.Steps {
		var b *Batch
		select {
		case b = <-l.free:
		case <-l.stop:
			return
		}
		if l.err = l.choose(b, step); l.err != nil {
			return
		}
		crew.fill(b)
		select {
		case l.ready <- b:
		case <-l.stop:
			return
		}
	}
}

// choose makes b the batch of step, with room for the pixels.
func (l *Loader) choose(b *Batch, step int) error {
	b.Indices = l.cfg.Batch(step, b.Indices[:0])
	b.N = len(b.Indices)
	for _, i := range b.Indices {
		if i < 0 || int(i) >= l.cfg.Dataset.N {
			return fmt.Errorf("data: step %d asks for sample %d of a data set of %d", step, i, l.cfg.Dataset.N)
		}
	}
	if !l.cfg.LabelsOnly {
		b.Pixels = grow(b.Pixels, b.N*l.cfg.Side*l.cfg.Side)
	}
	b.Labels = grow(b.Labels, b.N)
	return nil
}

// grow returns a slice of length n in the memory of s if it suffices. The content is not kept.
func grow[T byte | float32](s []T, n int) []T {
	if cap(s) < n {
		return make([]T, n)
	}
	return s[:n]
}
