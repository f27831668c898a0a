//go:build gpu && cgo

package cuda

import (
	"testing"

	"ringloom/nn/cuda/libs"
)

// What cannot be the fastest is not recorded, and runs three times only.
func TestMeasureIsBriefWithWhatIsSlow(t *testing.T) {
	locked(t, Options{}, func(d *Device) {
		b, err := d.AllocLocal(2*16, false)
		if err != nil {
			t.Fatal(err)
		}
		runs := 0
		run := func() error {
			runs++
			in := libs.Matrix{Ptr: b.Device, Type: libs.F32, Rows: 4, Cols: 4, Stride: 4}
			out := in
			out.Ptr += 16 * float32Bytes
			for range 500 { // longer than shortWork
				if err := d.blas.Gemm(out, in, in, 1, 0, d.math()); err != nil {
					return err
				}
			}
			return nil
		}
		took, err := d.measure(run, 0)
		if err != nil || took <= shortWork || runs <= 3 {
			t.Fatalf("%v ms after %d runs, %v", took, runs, err)
		}
		runs = 0
		again, err := d.measure(run, took/10)
		if err != nil || again < took/2 || runs != 3 {
			t.Errorf("%v ms after %d runs, %v; at first %v ms", again, runs, err, took)
		}
	})
}
