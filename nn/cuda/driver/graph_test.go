//go:build gpu && cgo

package driver

import (
	"testing"
	"unsafe"
)

// TestGraph captures work that forks to a second stream and joins again, and runs it on new data.
func TestGraph(t *testing.T) {
	c := open(t)
	s, side := mustStream(t, c), mustStream(t, c)
	const n = 4096
	in, out := mustHost(t, c, n), mustHost(t, c, 2*n)
	b := mustAlloc(t, c, 2*n)
	fork, join := mustEvent(t, c, false), mustEvent(t, c, false)

	must(t, s.Fill(b, 9, 2*n))
	must(t, s.BeginCapture())
	must(t, s.CopyToDevice(b, unsafe.Pointer(&in[0]), n))
	must(t, s.Record(fork))
	must(t, side.Wait(fork))
	must(t, side.Fill(b+n/2, 4, n/2)) // over half of the copy
	must(t, side.Record(join))
	must(t, s.Fill(b+n, 3, n))
	must(t, s.Wait(join))
	must(t, s.CopyToHost(unsafe.Pointer(&out[0]), b, 2*n))
	g, err := s.EndCapture()
	must(t, err)
	defer func() { must(t, g.Destroy()) }()
	if g.Nodes() != 4 {
		t.Errorf("%d nodes, want 4: two copies and two fills", g.Nodes())
	}

	must(t, s.Synchronize())
	if out[0] != 0 {
		t.Error("the captured work was done")
	}
	for _, value := range []byte{5, 6} {
		for i := range in {
			in[i] = value
		}
		must(t, g.Launch(s))
		must(t, s.Synchronize())
		for i, got := range out {
			want := value
			switch {
			case i >= n:
				want = 3
			case i >= n/2:
				want = 4
			}
			if got != want {
				t.Fatalf("input %d: byte %d is %d, want %d", value, i, got, want)
			}
		}
	}
}

// TestSpoiltCapture waits for a stream that is being captured.
func TestSpoiltCapture(t *testing.T) {
	c := open(t)
	s := mustStream(t, c)
	a := mustAlloc(t, c, 16)
	_, err := s.EndCapture()
	if err == nil {
		t.Error("EndCapture without BeginCapture succeeds")
	}
	must(t, s.BeginCapture())
	must(t, s.Fill(a, 1, 16))
	wantCode(t, s.Synchronize(), "cuStreamSynchronize", 900) // CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED
	_, err = s.EndCapture()
	wantCode(t, err, "cuStreamEndCapture", 901) // CUDA_ERROR_STREAM_CAPTURE_INVALIDATED
	must(t, s.Fill(a, 2, 16))
	must(t, s.Synchronize())
}
