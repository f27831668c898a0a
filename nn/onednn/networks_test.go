//go:build onednn && cgo

package onednn

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"ringloom/models"
	"ringloom/nn/exec"
	"ringloom/nn/op"
)

// recorder is a device that computes nothing and remembers what it was asked to.
type recorder struct {
	seen  map[op.Spec]bool
	specs []op.Spec
}

func (r *recorder) Name() string { return "recorder" }

func (r *recorder) Description() string { return "records specs" }

func (r *recorder) Alloc(n int) (op.Buffer, error) { return op.Buffer{Host: make([]float32, n)}, nil }

func (r *recorder) Close() error { return nil }

func (r *recorder) Compile(spec op.Spec) (op.Kernel, error) {
	if !r.seen[spec] {
		r.seen[spec] = true
		r.specs = append(r.specs, spec)
	}
	return nothing{}, nil
}

type nothing struct{}

func (nothing) Run(_, _ []op.Buffer) error { return nil }

// networkStep are the different operations of a model's training step.
func networkStep(t testing.TB, model string, batch int) []op.Spec {
	m, err := models.Lookup(model)
	if err != nil {
		t.Fatal(err)
	}
	r := &recorder{seen: map[op.Spec]bool{}}
	params, err := m.NewParams(r)
	if err != nil {
		t.Fatal(err)
	}
	cfg := exec.Config{Device: r, Params: params, Batch: batch, Side: m.InputSide, Build: m.Build, Training: true}
	if _, err := exec.Compile(cfg); err != nil {
		t.Fatal(err)
	}
	return append(r.specs, op.AdamUpdate{Len: params.Len()})
}

// oneDNN's reference loops take minutes where its other kernels take milliseconds.
func TestNetworksAvoidReferenceKernels(t *testing.T) {
	for _, model := range models.Names() {
		t.Run(model, func(t *testing.T) {
			d := openLocked(t, 1)
			for _, spec := range networkStep(t, model, 2) {
				k, err := d.Compile(spec)
				if err != nil {
					t.Fatal(err)
				}
				impl := k.(*kernel).impl()
				t.Logf("%-18s %-70v %s", spec.Kind(), spec, impl)
				if strings.HasPrefix(impl, "ref") {
					t.Errorf("%s %v runs oneDNN's reference kernel %s", spec.Kind(), spec, impl)
				}
			}
		})
	}
}

// BenchmarkNetworkOps times each operation of a model's training step on one thread, by every algorithm that it can be
// computed, and says how fast it is next to the machine: the figures behind choose.go. Shared machines lose a core for
// moments, so the best run counts. Operations without much arithmetic are given as bytes of operands a second; copy is
// what memory delivers.
func BenchmarkNetworkOps(b *testing.B) {
	for _, model := range models.Names() {
		b.Run(model, func(b *testing.B) {
			d := openLocked(b, 1)
			for i, spec := range networkStep(b, model, 16) {
				for _, a := range d.candidates(spec) {
					benchOp(b, d, fmt.Sprintf("%02d-%s/%v", i, spec.Kind(), a), spec, a)
				}
			}
		})
	}
	b.Run("copy", func(b *testing.B) {
		d := openLocked(b, 1)
		benchOp(b, d, "64MiB", op.ReLUForward{Len: 16 << 20}, direct)
	})
}

func benchOp(b *testing.B, d *Device, name string, spec op.Spec, a algorithm) {
	b.Run(name, func(b *testing.B) {
		k, err := d.compile(spec, a)
		if err != nil {
			b.Fatal(err)
		}
		run := bound{k, outputs(b, d, spec), sources(b, d, spec)}
		best := time.Duration(math.MaxInt64)
		for b.Loop() {
			start := time.Now()
			run.run(b)
			best = min(best, time.Since(start))
		}
		b.ReportMetric(0, "ns/op")
		b.ReportMetric(best.Seconds()*1e6, "µs-best")
		if f := op.FLOPs(spec); f > 0 {
			b.ReportMetric(float64(f)/best.Seconds()/1e9, "GFLOP/s")
			return
		}
		bytes := 0
		operands, _ := spec.Operands()
		for i, buffer := range run.dst {
			bytes += 4 * len(buffer.Host)
			if operands[i].Updated {
				bytes += 4 * len(buffer.Host)
			}
		}
		for _, buffer := range run.src {
			bytes += 4 * len(buffer.Host)
		}
		b.ReportMetric(float64(bytes)/best.Seconds()/1e9, "GB/s")
	})
}
