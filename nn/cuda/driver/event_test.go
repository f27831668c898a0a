//go:build gpu && cgo

package driver

import (
	"testing"
	"unsafe"
)

func TestEventsOrderStreams(t *testing.T) {
	c := open(t)
	first, second := mustStream(t, c), mustStream(t, c)
	const n = 32 << 20 // long enough for a stream that does not wait to be seen
	a := mustAlloc(t, c, n)
	out := mustHost(t, c, n)
	e := mustEvent(t, c, false)
	if done, err := e.Query(); !done || err != nil {
		t.Errorf("never recorded: done %v, %v", done, err)
	}
	must(t, first.Fill(a, 1, n))
	must(t, first.Fill(a, 2, n))
	must(t, first.Record(e))
	must(t, second.Wait(e))
	must(t, second.CopyToHost(unsafe.Pointer(&out[0]), a, n))
	must(t, second.Record(e))
	must(t, e.Synchronize())
	if done, err := e.Query(); !done || err != nil {
		t.Errorf("after Synchronize: done %v, %v", done, err)
	}
	for i, b := range out {
		if b != 2 {
			t.Fatalf("byte %d is %d: the second stream did not wait", i, b)
		}
	}
}

func TestEventTimes(t *testing.T) {
	c := open(t)
	s := mustStream(t, c)
	a := mustAlloc(t, c, 1<<20)
	begin, end := mustEvent(t, c, true), mustEvent(t, c, true)
	must(t, s.Record(begin))
	must(t, s.Fill(a, 1, 1<<20))
	must(t, s.Record(end))
	must(t, end.Synchronize())
	if took, err := end.Since(begin); err != nil || took < 0 {
		t.Errorf("took %v, %v", took, err)
	}
	untimed := mustEvent(t, c, false)
	must(t, s.Record(untimed))
	must(t, untimed.Synchronize())
	_, err := untimed.Since(begin)
	wantCode(t, err, "cuEventElapsedTime", 400) // CUDA_ERROR_INVALID_HANDLE
}
