package acceltest

import (
	"fmt"

	"ringloom/nn/op"
)

// images are those of a PutImages that waits.
type images struct {
	bytes    []byte // [n, From, From]
	from, to int
	resample *op.Resampling
}

// PutImages queues a copy of the images, and that they are resampled.
func (d *Device) PutImages(dst op.Buffer, pixels []byte, n, to int, r *op.Resampling) error {
	if len(pixels) != n*r.From*r.From {
		return fmt.Errorf("in-memory accelerator: %d bytes are not %d images of %d x %d", len(pixels), n, r.From, r.From)
	}
	m, err := d.at(dst, n*to*to, true)
	if err != nil {
		return fmt.Errorf("images: %w", err)
	}
	c := d.queue.add(runImages)
	c.dst = append(c.dst, m)
	c.images.bytes = append(c.images.bytes[:0], pixels...)
	c.images.from, c.images.to, c.images.resample = r.From, to, r
	return nil
}

func runImages(c *command) error {
	i := &c.images
	dst := c.dst[0]
	if i.from == i.to {
		for p, v := range i.bytes {
			dst[p] = float32(v) / 255
		}
		return nil
	}
	rows, size := make([]byte, i.from*i.to), i.from*i.from
	for n := 0; n*size < len(i.bytes); n++ {
		image, out := i.bytes[n*size:(n+1)*size], dst[n*i.to*i.to:(n+1)*i.to*i.to]
		for y := range i.from {
			for x := range i.to {
				rows[y*i.to+x] = sample(i.resample, x, image[y*i.from:], 1)
			}
		}
		for y := range i.to {
			for x := range i.to {
				out[y*i.to+x] = float32(sample(i.resample, y, rows[x:], i.to)) / 255
			}
		}
	}
	return nil
}

// sample is pixel i of a line of pixels that lie so far apart.
func sample(r *op.Resampling, i int, line []byte, apart int) byte {
	const bits = 22
	sum := int64(1) << (bits - 1)
	first, count := int(r.Bounds[2*i]), int(r.Bounds[2*i+1])
	for k := range count {
		sum += int64(r.Weights[i*r.Taps+k]) * int64(line[(first+k)*apart])
	}
	return byte(min(sum>>bits, 255))
}
