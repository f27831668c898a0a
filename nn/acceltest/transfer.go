package acceltest

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"ringloom/nn/op"
)

// pull is a copy on its way to a mirror.
type pull struct {
	device *Device
	number uint64 // of the command behind it
	from   []float32
}

// StartPull queues the copy.
func (d *Device) StartPull(b op.Buffer) (op.Transfer, error) {
	from, err := d.mirrored(b, false)
	if err != nil {
		return nil, fmt.Errorf("pull: %w", err)
	}
	c := d.queue.add(runPull)
	c.dst, c.src = append(c.dst, b.Host), append(c.src, from)
	p := &pull{d, d.queue.added, from}
	d.pulls = append(d.pulls, p)
	return p, nil
}

func runPull(c *command) error {
	copy(c.dst[0], c.src[0])
	return nil
}

// Wait runs what was queued before the pull.
func (p *pull) Wait() error {
	d := p.device
	if i := slices.Index(d.pulls, p); i >= 0 {
		d.pulls = slices.Delete(d.pulls, i, i+1)
	}
	if err := d.usable(); err != nil {
		return err
	}
	return d.queue.run(p.number)
}

// StartPush queues the copy. It is an error if the mirror has changed when its turn comes.
func (d *Device) StartPush(b op.Buffer) error {
	to, err := d.mirrored(b, true)
	if err != nil {
		return fmt.Errorf("push: %w", err)
	}
	c := d.queue.add(runPush)
	c.dst, c.src = append(c.dst, to), append(c.src, b.Host)
	c.staged = append(c.staged[:0], b.Host...)
	return nil
}

func runPush(c *command) error {
	mirror := c.src[0]
	for i, v := range c.staged {
		if math.Float32bits(v) != math.Float32bits(mirror[i]) {
			return errors.New("in-memory accelerator: a mirror was changed on its way to the buffer")
		}
	}
	copy(c.dst[0], mirror)
	return nil
}

func (d *Device) mirrored(b op.Buffer, write bool) ([]float32, error) {
	if b.Host == nil {
		return nil, errors.New("in-memory accelerator: a buffer without a mirror")
	}
	return d.at(b, len(b.Host), write)
}

// remembered is how many marks are not forgotten.
const remembered = 256

// mark is a point in the queue.
type mark struct {
	device *Device
	index  int
	number uint64 // of the command behind it
	at     time.Time
}

// Mark queues a look at the clock.
func (d *Device) Mark() (op.Mark, error) {
	if err := d.usable(); err != nil {
		return nil, err
	}
	c := d.queue.add(runMark)
	d.marks++
	c.mark = &mark{device: d, index: d.marks, number: d.queue.added}
	return c.mark, nil
}

func runMark(c *command) error {
	c.mark.at = time.Now()
	return nil
}

// Since runs the queue up to m.
func (m *mark) Since(earlier op.Mark) (time.Duration, error) {
	d, first := m.device, earlier.(*mark)
	if d.marks-first.index >= remembered {
		return 0, d.queue.fail(fmt.Errorf("in-memory accelerator: mark %d was forgotten, %d were made since", first.index, d.marks-first.index))
	}
	if err := d.usable(); err != nil {
		return 0, err
	}
	if first.number > m.number {
		return 0, fmt.Errorf("in-memory accelerator: the time since a later mark")
	}
	err := d.queue.run(m.number)
	return m.at.Sub(first.at), err
}
