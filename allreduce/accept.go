package allreduce

import (
	"errors"
	"fmt"
)

// maxBlockBytes bounds what a peer can make this rank allocate for one rank's block.
const maxBlockBytes = 64 << 20

// accept checks that a data frame is exactly the one that is due, and applies it: nothing is summed twice or left out.
func (o *operation) accept(h header, payload []byte) error {
	if err := o.agree(h); err != nil {
		return err
	}
	if int64(h.step) != int64(o.recv.step) || int64(h.chunk) != int64(o.recv.chunk) {
		return fmt.Errorf("%w: step %d chunk %d came where step %d chunk %d was due", ErrProtocol, h.step, h.chunk, o.recv.step, o.recv.chunk)
	}
	if !o.overwritable() {
		return fmt.Errorf("%w: a finished sum came before this rank had added its part", ErrProtocol)
	}
	block := o.recvBlock(o.recv.step)
	if o.kind == opAllGatherBytes && o.recv.chunk == 0 {
		if h.total > maxBlockBytes {
			return fmt.Errorf("%w: a block of %d bytes is over the limit of %d", ErrProtocol, h.total, maxBlockBytes)
		}
		o.blocks[block] = make([]byte, h.total)
	}
	if total := o.total(block); h.total != total {
		return fmt.Errorf("%w: the other rank has %d %s, this rank %d", ErrMismatch, h.total, items(o.dtype()), total)
	}
	if err := o.apply(block, payload); err != nil {
		return err
	}
	o.advanceRecv()
	return nil
}

// agree compares what the sender runs with what this rank runs.
func (o *operation) agree(h header) error {
	switch {
	case h.opSeq != o.seq:
		return fmt.Errorf("%w: a frame of collective %d came in collective %d", ErrProtocol, h.opSeq, o.seq)
	case h.op != o.kind:
		return fmt.Errorf("%w: the other rank runs %v, this rank %v", ErrMismatch, h.op, o.kind)
	case h.bucket != o.bucket:
		return fmt.Errorf("%w: the other rank runs bucket %d, this rank bucket %d", ErrMismatch, h.bucket, o.bucket)
	case h.dtype != o.dtype():
		return fmt.Errorf("%w: the other rank sends %v, this rank expects %v", ErrMismatch, h.dtype, o.dtype())
	case int(h.root) != o.root:
		return fmt.Errorf("%w: the other rank takes rank %d for the root, this rank %d", ErrMismatch, h.root, o.root)
	}
	return nil
}

// apply adds or copies the payload into its place.
func (o *operation) apply(block int, payload []byte) error {
	switch o.kind {
	case opBarrier:
		if len(payload) != 0 {
			return chunkSizeError(len(payload), 0)
		}
	case opAllGatherBytes:
		from, to := chunkSpan(0, len(o.blocks[block]), o.recv.chunk, o.chunkBytes)
		if len(payload) != to-from {
			return chunkSizeError(len(payload), to-from)
		}
		copy(o.blocks[block][from:to], payload)
	default:
		from, to := o.span(block, o.recv.chunk)
		if want := o.format.Size(to - from); len(payload) != want {
			return chunkSizeError(len(payload), want)
		}
		if o.adds(o.recv.step) {
			o.format.Add(o.vector[from:to], payload)
		} else {
			o.format.Copy(o.vector[from:to], payload)
		}
	}
	return nil
}

func chunkSizeError(got, want int) error {
	return fmt.Errorf("%w: a chunk of %d bytes came where %d were due; the chunk size must agree on all ranks", ErrMismatch, got, want)
}

func items(d dtype) string {
	if d == dtypeBytes {
		return "bytes"
	}
	return "elements"
}

func kindOfMismatch(err error) error {
	if errors.Is(err, ErrMismatch) {
		return ErrMismatch
	}
	return ErrProtocol
}
