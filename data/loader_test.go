package data

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"testing"
)

// inOrder asks for the samples of a set of n, size a step, over and over.
func inOrder(n, size int) func(int, []int32) []int32 {
	return func(step int, dst []int32) []int32 {
		for i := range size {
			dst = append(dst, int32((step*size+i)%n))
		}
		return dst
	}
}

func TestLoaderMakesEveryBatchInOrder(t *testing.T) {
	set := first8(t)
	sizes := []int{3, 8, 0, 1, 5, 8, 2}
	for _, side := range []int{28, 40} {
		for workers := 1; workers <= 4; workers++ {
			l := NewLoader(LoaderConfig{
				Dataset: set, Side: side, Steps: len(sizes), Workers: workers,
				Batch: func(step int, dst []int32) []int32 {
					for i := range sizes[step] {
						dst = append(dst, int32((i*3+step)%8))
					}
					return dst
				},
			})
			resizer, want := NewResizer(Side, side), make([]byte, side*side)
			for step, size := range sizes {
				b, err := l.Next(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				if b.N != size || len(b.Indices) != size || len(b.Labels) != size || len(b.Pixels) != size*side*side {
					t.Fatalf("step %d: %d samples, %d labels, %d pixels, want %d samples", step, b.N, len(b.Labels), len(b.Pixels), size)
				}
				for i, sample := range b.Indices {
					resizer.Bytes(want, set.Image(int(sample)))
					if int(sample) != (i*3+step)%8 || b.Labels[i] != float32(set.Labels[sample]) || !slices.Equal(b.Pixels[i*side*side:(i+1)*side*side], want) {
						t.Fatalf("side %d, %d workers, step %d: sample %d at %d is wrong", side, workers, step, sample, i)
					}
				}
				l.Release(b)
			}
			if _, err := l.Next(t.Context()); err != io.EOF {
				t.Errorf("after the last step: %v", err)
			}
			l.Close()
		}
	}
}

func TestLoaderOfLabelsOnly(t *testing.T) {
	set := first8(t)
	l := NewLoader(LoaderConfig{Dataset: set, Side: 40, Steps: 2, Batch: inOrder(8, 5), LabelsOnly: true})
	defer l.Close()
	for range 2 {
		b, err := l.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if b.N != 5 || len(b.Pixels) != 0 || len(b.Labels) != 5 {
			t.Errorf("%d samples with %d pixels and %d labels", b.N, len(b.Pixels), len(b.Labels))
		}
		for i, sample := range b.Indices {
			if b.Labels[i] != float32(set.Labels[sample]) {
				t.Errorf("sample %d has label %v", sample, b.Labels[i])
			}
		}
		l.Release(b)
	}
}

func TestLoaderKeepsWithinItsDepth(t *testing.T) {
	set := first8(t)
	made := make(chan int, 100)
	l := NewLoader(LoaderConfig{Dataset: set, Steps: 100, Depth: 2, Batch: func(step int, dst []int32) []int32 {
		made <- step
		return append(dst, 0)
	}})
	first, err := l.Next(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.Next(t.Context()); err != nil {
		t.Fatal(err)
	}
	// Both buffers are out, so the third batch cannot have been begun and no Next can succeed.
	ctx, cancel := context.WithCancelCause(t.Context())
	cause := errors.New("the peer died")
	cancel(cause)
	if _, err := l.Next(ctx); err != cause {
		t.Errorf("a Next that cannot succeed: %v", err)
	}
	if len(made) != 2 {
		t.Errorf("%d batches begun with 2 buffers", len(made))
	}
	l.Release(first)
	if b, err := l.Next(t.Context()); err != nil || b != first {
		t.Errorf("the released buffer is not used again: %v", err)
	}
	l.Close()
}

func TestCloseEndsALoaderThatNobodyReads(t *testing.T) {
	set := first8(t)
	l := NewLoader(LoaderConfig{Dataset: set, Steps: 1000, Workers: 3, Batch: inOrder(8, 4)})
	b, err := l.Next(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	l.Close()
	if _, err := l.Next(t.Context()); err != ErrClosed {
		t.Errorf("Next after Close: %v", err)
	}
	l.Release(b) // must not block
}

func TestLoaderReportsASampleOutsideTheSet(t *testing.T) {
	for _, sample := range []int32{-1, 8} {
		l := NewLoader(LoaderConfig{Dataset: first8(t), Steps: 3, Batch: func(step int, dst []int32) []int32 { return append(dst, 0, sample) }})
		_, err := l.Next(t.Context())
		if want := fmt.Sprintf("data: step 0 asks for sample %d of a data set of 8", sample); err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
		l.Close()
	}
}

func TestReleasingTwicePanics(t *testing.T) {
	l := NewLoader(LoaderConfig{Dataset: first8(t), Steps: 1, Batch: inOrder(8, 1)})
	defer l.Close()
	b, err := l.Next(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	l.Release(b)
	defer func() {
		if recover() == nil {
			t.Error("no panic")
		}
	}()
	l.Release(b)
}

func TestLoaderAllocatesNothingInSteadyState(t *testing.T) {
	for workers := 1; workers <= 2; workers++ {
		l := NewLoader(LoaderConfig{Dataset: first8(t), Side: 56, Steps: 1000, Workers: workers, Batch: inOrder(8, 16),
			Augmentation: Augmentation{CropPadding: 2, Flip: true}})
		ctx := t.Context()
		step := func() {
			b, err := l.Next(ctx)
			if err != nil {
				t.Fatal(err)
			}
			l.Release(b)
		}
		for range 10 {
			step()
		}
		if allocs := testing.AllocsPerRun(200, step); allocs != 0 {
			t.Errorf("%d workers: %v allocations a step", workers, allocs)
		}
		l.Close()
	}
}

func BenchmarkLoader(b *testing.B) {
	set := first8(b)
	for _, side := range []int{28, 96, 224} {
		b.Run(fmt.Sprint(side), func(b *testing.B) {
			l := NewLoader(LoaderConfig{Dataset: set, Side: side, Steps: 1 << 40, Batch: inOrder(8, 128)})
			defer l.Close()
			b.ReportAllocs()
			for b.Loop() {
				batch, err := l.Next(b.Context())
				if err != nil {
					b.Fatal(err)
				}
				l.Release(batch)
			}
			b.ReportMetric(128*float64(b.N)/b.Elapsed().Seconds(), "images/s")
		})
	}
}

func TestFillPutsAPartWhereItBelongs(t *testing.T) {
	b := &Batch{Pixels: []byte{0, 255, 51, 102, 255, 0}, Labels: []float32{7, 8, 9}, N: 3}
	pixels, labels := make([]float32, 4), make([]float32, 2)
	b.Fill(pixels, labels, 1, 3)
	if !slices.Equal(pixels, []float32{51. / 255, 102. / 255, 1, 0}) || !slices.Equal(labels, []float32{8, 9}) {
		t.Errorf("%v, %v", pixels, labels)
	}
	(&Batch{Labels: b.Labels, N: 3}).Fill(pixels, labels, 0, 2) // of a loader with LabelsOnly
	if pixels[2] != 1 || labels[0] != 7 {
		t.Errorf("%v, %v", pixels, labels)
	}
	for _, room := range [][2]int{{3, 2}, {5, 2}, {4, 1}, {4, 3}} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("room for %d pixels and %d labels is no mistake", room[0], room[1])
				}
			}()
			b.Fill(make([]float32, room[0]), make([]float32, room[1]), 1, 3)
		}()
	}
}
