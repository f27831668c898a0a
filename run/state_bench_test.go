package run

import (
	"fmt"
	"io"
	"path/filepath"
	"testing"

	"ringloom/checkpoint"
	"ringloom/internal/float32le"
	"ringloom/report"
)

// BenchmarkCheckpoint writes a checkpoint of 200 MB, and the same bytes without their sums: run it with -count to take the two in turn.
func BenchmarkCheckpoint(b *testing.B) {
	const tensors, elements = 24, 2 << 20
	var all []checkpoint.Tensor
	for i := range tensors {
		data := make([]float32, elements)
		for j := range data {
			data[j] = float32(i * j)
		}
		all = append(all, checkpoint.Tensor{Name: fmt.Sprint(i), Shape: []int{elements}, Data: data})
	}
	path := filepath.Join(b.TempDir(), "checkpoint")
	for name, write := range map[string]func(io.Writer) error{
		"whole": func(w io.Writer) error { return checkpoint.Write(w, checkpoint.Meta{}, all) },
		"bytes alone": func(w io.Writer) error {
			for _, t := range all {
				if err := float32le.Write(w, t.Data); err != nil {
					return err
				}
			}
			return nil
		},
	} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(4 * tensors * elements)
			for b.Loop() {
				if err := report.WriteFileAtomic(path, write); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
