package train

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"slices"

	"ringloom/internal/float32le"
	"ringloom/nn"
)

// ErrDiverged is wrapped when the ranks' parameters, or their shared running moments, are not bit-identical.
var ErrDiverged = errors.New("parameters differ between ranks")

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// checkParameters compares a checksum of every parameter over all ranks, and of the running moments where they are
// shared; a difference names the tensor. Equal sums and equal starts make it impossible but for faulty memory, a bug, or
// processors whose updates differ in the last bits (FMA or none), and nobody must train on silently with any of them. Then it
// checks that all of the tensors are finite.
func (w *Worker) checkParameters(ctx context.Context) error {
	if err := w.params.Pull(); err != nil {
		return err
	}
	tensors := w.params.List
	local := checksums(nil, w.params.List, w.values())
	if w.moments.shared {
		tensors = slices.Concat(tensors, w.params.State)
		local = checksums(local, w.params.State, w.params.StateValues.Host)
	}
	all, err := w.Ring.AllGatherBytes(ctx, local)
	if err != nil {
		return fmt.Errorf("comparing the parameters at step %d: %w", w.steps, err)
	}
	for rank, sums := range all {
		if len(sums) != len(local) {
			return fmt.Errorf("%w: rank %d has %d tensors, rank %d has %d", ErrDiverged, rank, len(sums)/4, w.Rank, len(local)/4)
		}
	}
	for rank := 1; rank < len(all); rank++ {
		for i, p := range tensors {
			if a, b := all[0][4*i:4*i+4], all[rank][4*i:4*i+4]; string(a) != string(b) {
				return fmt.Errorf("%w: %s at step %d, rank 0 has checksum %x and rank %d has %x; suspect faulty memory, or processors that round updates differently, such as one without AVX2: with a sharded optimizer one rank alone updates each parameter; else report it if it repeats",
					ErrDiverged, p.Name, w.steps, a, rank, b)
			}
		}
	}
	return w.checkFinite()
}

// checksums appends the CRC-32C of each tensor in memory.
func checksums(dst []byte, tensors []nn.Param, memory []float32) []byte {
	for _, p := range tensors {
		hash := crc32.New(castagnoli)
		_ = float32le.Write(hash, memory[p.Offset:p.Offset+p.Len]) // a hash takes everything
		dst = binary.LittleEndian.AppendUint32(dst, hash.Sum32())
	}
	return dst
}
