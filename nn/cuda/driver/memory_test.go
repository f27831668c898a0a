//go:build gpu && cgo

package driver

import (
	"bytes"
	"errors"
	"testing"
	"unsafe"
)

func TestCopies(t *testing.T) {
	c := open(t)
	s := mustStream(t, c)
	const n = 100_003
	in, out := mustHost(t, c, n), mustHost(t, c, n)
	a := mustAlloc(t, c, n)
	for i := range in {
		in[i] = byte(i * 7)
	}
	must(t, s.CopyToDevice(a, unsafe.Pointer(&in[0]), n))
	must(t, s.Fill(a+10, 0xa5, 5))
	must(t, s.CopyToHost(unsafe.Pointer(&out[0]), a, n))
	must(t, s.Synchronize())
	want := bytes.Clone(in)
	copy(want[10:15], bytes.Repeat([]byte{0xa5}, 5))
	if !bytes.Equal(out, want) {
		t.Error("the bytes that came back differ from those that went")
	}
	if done, err := s.Query(); !done || err != nil {
		t.Errorf("after Synchronize: done %v, %v", done, err)
	}
}

func TestHostMemory(t *testing.T) {
	c := open(t)
	for range 2 { // the second may get the first's memory
		memory, err := c.AllocHost(4097)
		must(t, err)
		if len(memory) != 4097 || uintptr(unsafe.Pointer(&memory[0]))%hostAlignment != 0 {
			t.Errorf("%d bytes at %p", len(memory), &memory[0])
		}
		if !bytes.Equal(memory, make([]byte, 4097)) {
			t.Error("not zeroed")
		}
		for i := range memory {
			memory[i] = 0xff
		}
		must(t, c.FreeHost(memory))
	}
}

func TestOutOfMemory(t *testing.T) {
	c := open(t)
	free, total, err := c.MemInfo()
	must(t, err)
	if free <= 0 || free > total {
		t.Errorf("%d bytes free of %d", free, total)
	}
	_, err = c.Alloc(total + 1<<30)
	if !errors.Is(err, ErrOutOfMemory) {
		t.Errorf("more than there is: %v", err)
	}
	wantCode(t, err, "cuMemAlloc", codeOutOfMemory)
	mustAlloc(t, c, 1<<20) // the context survives it
	for _, n := range []int64{0, -1} {
		if _, err := c.Alloc(n); err == nil || errors.Is(err, ErrOutOfMemory) {
			t.Errorf("Alloc(%d): %v", n, err)
		}
		if _, err := c.AllocHost(n); err == nil || errors.Is(err, ErrOutOfMemory) {
			t.Errorf("AllocHost(%d): %v", n, err)
		}
	}
}
