package train

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math"
)

// ErrDiverged is wrapped when the ranks' parameters are not bit-identical.
var ErrDiverged = errors.New("parameters differ between ranks")

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// checkParameters compares a checksum of every parameter over all ranks; a difference names the tensor. Equal sums
// and equal starts make it impossible but for faulty memory or a bug, and both must not train on silently.
func (w *Worker) checkParameters(ctx context.Context) error {
	local := w.checksums(make([]byte, 0, 4*len(w.params.List)))
	all, err := w.Ring.Gather(ctx, local)
	if err != nil {
		return fmt.Errorf("comparing the parameters at step %d: %w", w.steps, err)
	}
	for rank, sums := range all {
		if len(sums) != len(local) {
			return fmt.Errorf("%w: rank %d has %d tensors, rank %d has %d", ErrDiverged, rank, len(sums)/4, w.Rank, len(local)/4)
		}
	}
	for rank := 1; rank < len(all); rank++ {
		for i, p := range w.params.List {
			if a, b := all[0][4*i:4*i+4], all[rank][4*i:4*i+4]; string(a) != string(b) {
				return fmt.Errorf("%w: %s at step %d, rank 0 has checksum %x and rank %d has %x; suspect faulty memory, and report it if it repeats",
					ErrDiverged, p.Name, w.steps, a, rank, b)
			}
		}
	}
	return nil
}

// checksums appends one CRC-32C a parameter.
func (w *Worker) checksums(dst []byte) []byte {
	var block [4096]byte
	for _, p := range w.params.List {
		var crc uint32
		for values := w.values()[p.Offset : p.Offset+p.Len]; len(values) > 0; {
			n := min(len(values), len(block)/4)
			for i, v := range values[:n] {
				binary.LittleEndian.PutUint32(block[4*i:], math.Float32bits(v))
			}
			crc = crc32.Update(crc, castagnoli, block[:4*n])
			values = values[n:]
		}
		dst = binary.LittleEndian.AppendUint32(dst, crc)
	}
	return dst
}
