package checkpoint

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
)

// file is a safetensors file of one vector.
func file(dtype string, n int, data []byte) []byte {
	header := fmt.Sprintf(`{"a":{"dtype":%q,"shape":[%d],"data_offsets":[0,%d]}}`, dtype, n, len(data))
	b := binary.LittleEndian.AppendUint64(nil, uint64(len(header)))
	return append(append(b, header...), data...)
}

func TestOtherTypesAreConverted(t *testing.T) {
	var f64, f16, bf16 []byte
	for _, v := range []float64{0.5, -3, 1e-3} {
		f64 = binary.LittleEndian.AppendUint64(f64, math.Float64bits(v))
		bf16 = binary.LittleEndian.AppendUint16(bf16, uint16(math.Float32bits(float32(v))>>16))
	}
	// One half, minus two, the smallest subnormal, the largest normal, minus infinity (IEEE 754-2008, 3.6).
	for _, bits := range []uint16{0x3800, 0xc000, 0x0001, 0x7bff, 0xfc00} {
		f16 = binary.LittleEndian.AppendUint16(f16, bits)
	}
	for _, c := range []struct {
		dtype string
		data  []byte
		want  []float32
	}{
		{"F64", f64, []float32{0.5, -3, 1e-3}},
		{"BF16", bf16, []float32{0.5, -3, math.Float32frombits(0x3a83 << 16)}},
		{"F16", f16, []float32{0.5, -2, 1.0 / (1 << 24), 65504, float32(math.Inf(-1))}},
	} {
		_, got, err := Read(bytes.NewReader(file(c.dtype, len(c.want), c.data)))
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(got[0].Data, c.want) {
			t.Errorf("%s: got %v, want %v", c.dtype, got[0].Data, c.want)
		}
	}
	if v := float16(0x7e00); v == v {
		t.Errorf("a half NaN reads as %v", v)
	}
}

func TestIntegersComeBackAndAreAligned(t *testing.T) {
	want := []Tensor{
		{Name: "1.running_mean", Shape: []int{3}, Data: []float32{1, 2, 3}},
		{Name: "1.num_batches_tracked", Shape: []int{}, Ints: []int64{1<<40 + 1}},
	}
	content := encode(t, Meta{}, want)
	_, got, err := Read(bytes.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != 2 || got[0].Name != want[1].Name || !slices.Equal(got[0].Ints, want[1].Ints) || len(got[0].Shape) != 0 ||
		!slices.Equal(got[1].Data, want[0].Data) {
		t.Errorf("got %+v", got)
	}
	if !strings.Contains(string(content), `"1.num_batches_tracked":{"dtype":"I64","shape":[],"data_offsets":[0,8]}`) {
		t.Errorf("the counter is no aligned I64 scalar: %q", content)
	}
}

func TestPicklesAreRefusedWithAWayOut(t *testing.T) {
	for name, content := range map[string]string{
		"zip":         "PK\x03\x04\x00\x00\x08\x08\x00\x00",
		"zip, stored": "PK\x03\x04\x00\x00\x00\x00\x00\x00",
		"bare":        "\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.",
	} {
		_, _, err := Read(strings.NewReader(content))
		if !errors.Is(err, ErrFormat) || !strings.Contains(err.Error(), "torch.save") || !strings.Contains(err.Error(), "safetensors.torch.save_file(") {
			t.Errorf("%s: got %v", name, err)
		}
	}
	// A header of 0x280 bytes has the same first byte.
	content := withHeader("{}"+strings.Repeat(" ", 0x27e), 0)
	if _, _, err := Read(bytes.NewReader(content)); err != nil || content[0] != 0x80 {
		t.Errorf("a header that begins as a pickle does: %v", err)
	}
}
