package float32le

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// values are n values of all kinds of bits, NaNs with payloads among them.
func values(n int) []float32 {
	random := rand.New(rand.NewPCG(3, uint64(n)))
	v := make([]float32, n)
	for i := range v {
		v[i] = math.Float32frombits(random.Uint32())
	}
	return v
}

func sameBits(a, b []float32) bool {
	return slices.EqualFunc(a, b, func(x, y float32) bool { return math.Float32bits(x) == math.Float32bits(y) })
}

func TestBytesAreThoseOfEncodingBinary(t *testing.T) {
	for _, n := range []int{0, 1, 7, 1<<14 - 1, 1 << 14, 1<<14 + 1, 3<<14 + 5} {
		v := values(n)
		want, err := binary.Append(nil, binary.LittleEndian, v)
		if err != nil {
			t.Fatal(err)
		}
		slow, fast := make([]byte, len(want)), make([]byte, len(want)+3)
		put(slow, v)
		Put(fast, v)
		var written, blocks bytes.Buffer
		if err := errors.Join(Write(&written, v), writeBlocks(&blocks, v)); err != nil {
			t.Fatal(err)
		}
		for name, got := range map[string][]byte{
			"put": slow, "Put": fast[:len(want)], "Append": Append([]byte{1, 2}, v)[2:],
			"Write": written.Bytes(), "writeBlocks": blocks.Bytes(),
		} {
			if !bytes.Equal(got, want) {
				t.Errorf("%s of %d values differs from encoding/binary", name, n)
			}
		}
		slowBack, fastBack := make([]float32, n), make([]float32, n)
		get(slowBack, want)
		Get(fastBack, append(want, 9))
		if !sameBits(slowBack, v) || !sameBits(fastBack, v) {
			t.Errorf("%d values do not come back", n)
		}
	}
}

func TestShortMemoryPanics(t *testing.T) {
	for name, f := range map[string]func(){
		"Put": func() { Put(make([]byte, 7, 8), make([]float32, 2)) },
		"Get": func() { Get(make([]float32, 2), make([]byte, 7, 8)) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s takes less memory than it needs", name)
				}
			}()
			f()
		}()
	}
}

func TestWriteAllocatesNothing(t *testing.T) {
	if !native {
		t.Skip("this machine stores values in another order: Write needs a block")
	}
	v := values(1000)
	if n := testing.AllocsPerRun(100, func() { _ = Write(io.Discard, v) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, io.ErrShortWrite }

func TestWriteReturnsTheWritersError(t *testing.T) {
	if err := Write(failing{}, values(3)); err != io.ErrShortWrite {
		t.Error(err)
	}
	if err := writeBlocks(failing{}, values(3)); err != io.ErrShortWrite {
		t.Error(err)
	}
}
