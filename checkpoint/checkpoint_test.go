package checkpoint

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"
)

func example() (Meta, []Tensor) {
	return Meta{Model: "lenet", Epoch: 3, Step: 705, TestAccuracy: 0.8125, Extra: map[string]string{"optimizer": "adam"}}, []Tensor{
		{Name: "0.weight", Shape: []int{2, 1, 1, 2}, Data: []float32{1, -2, 3.5, 0}},
		{Name: "0.bias", Shape: []int{2}, Data: []float32{0.25, math.MaxFloat32}},
	}
}

func encode(t testing.TB, meta Meta, tensors []Tensor) []byte {
	var b bytes.Buffer
	if err := Write(&b, meta, tensors); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestRoundTrip(t *testing.T) {
	meta, tensors := example()
	file := encode(t, meta, tensors)
	if n := binary.LittleEndian.Uint64(file); n%8 != 0 {
		t.Errorf("a header of %d bytes leaves the data unaligned", n)
	}
	gotMeta, got, err := Read(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(gotMeta, meta) || !reflect.DeepEqual(got, tensors) {
		t.Errorf("got %+v %+v", gotMeta, got)
	}
}

func TestEveryTruncationAndExtensionIsRefused(t *testing.T) {
	file := encode(t, Meta{}, []Tensor{{Name: "a", Shape: []int{3}, Data: []float32{1, 2, 3}}})
	for n := range len(file) {
		if _, _, err := Read(bytes.NewReader(file[:n])); !errors.Is(err, ErrFormat) {
			t.Fatalf("cut to %d of %d bytes: got %v", n, len(file), err)
		}
	}
	if _, _, err := Read(bytes.NewReader(append(file, 0))); !errors.Is(err, ErrFormat) {
		t.Fatalf("with a byte too many: got %v", err)
	}
}

// More elements than one block, and shapes at the edges.
func TestRoundTripOfLargeScalarAndEmptyTensors(t *testing.T) {
	large := make([]float32, blockBytes/4*2+5)
	for i := range large {
		large[i] = float32(i)
	}
	tensors := []Tensor{{Name: "large", Shape: []int{len(large)}, Data: large}, {Name: "scalar", Shape: []int{}, Data: []float32{7}}, {Name: "empty", Shape: []int{3, 0}, Data: []float32{}}}
	_, got, err := Read(bytes.NewReader(encode(t, Meta{}, tensors)))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range tensors {
		if !slices.ContainsFunc(got, func(g Tensor) bool { return reflect.DeepEqual(g, want) }) {
			t.Errorf("%q does not come back", want.Name)
		}
	}
}

func TestWriteRefusesWhatNoReaderTakes(t *testing.T) {
	for name, tensors := range map[string][]Tensor{
		"too little data": {{Name: "a", Shape: []int{3}, Data: []float32{1, 2}}},
		"negative shape":  {{Name: "a", Shape: []int{-1}}},
		"a name twice":    {{Name: "a", Shape: []int{1}, Data: []float32{1}}, {Name: "a", Shape: []int{1}, Data: []float32{1}}},
		"two kinds":       {{Name: "a", Shape: []int{2}, Data: []float32{1}, Ints: []int64{1}}},
		"a reserved name": {{Name: "__metadata__", Shape: []int{1}, Data: []float32{1}}},
	} {
		var b bytes.Buffer
		if err := Write(&b, Meta{}, tensors); !errors.Is(err, ErrFormat) || b.Len() != 0 {
			t.Errorf("%s: got %v after %d bytes", name, err, b.Len())
		}
	}
}

func withHeader(header string, data int) []byte {
	b := binary.LittleEndian.AppendUint64(nil, uint64(len(header)))
	return append(append(b, header...), make([]byte, data)...)
}

func TestBadHeadersNameTheTensor(t *testing.T) {
	for name, c := range map[string]struct {
		file []byte
		says string
	}{
		"huge header":   {binary.LittleEndian.AppendUint64(nil, 1<<40), "claims 1099511627776 bytes"},
		"no JSON":       {withHeader(`{"a"`, 0), "its header"},
		"dtype":         {withHeader(`{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}`, 1), `tensor "a" has dtype "U8", only F32, F64, F16, BF16 and I64 are taken`},
		"list":          {withHeader(`[1]`, 0), "no JSON object"},
		"twice":         {withHeader(`{"a":{"dtype":"F32","shape":[0],"data_offsets":[0,0]},"a":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}}`, 0), `tensor "a" is there twice`},
		"no shape":      {withHeader(`{"a":{"dtype":"F32","data_offsets":[0,4]}}`, 4), `tensor "a" has shape []`},
		"three offsets": {withHeader(`{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4,8]}}`, 4), `data_offsets [0 4 8]`},
		"unknown field": {withHeader(`{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4],"stride":1}}`, 4), `tensor "a": json: unknown field "stride"`},
		"two objects":   {withHeader(`{}{}`, 0), "something follows"},
		"cut object":    {withHeader(`{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}`, 4), "its header"},
		"overlap": {withHeader(`{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}`, 8),
			`tensor "b" of shape [1] lies at bytes [4 8], expected [8 12]`},
		"gap":      {withHeader(`{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}`, 8), `tensor "a"`},
		"overflow": {withHeader(`{"a":{"dtype":"F32","shape":[2147483647,2147483647],"data_offsets":[0,4]}}`, 4), `has shape [2147483647 2147483647]`},
		"negative": {withHeader(`{"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}}`, 4), `has shape [-1]`},
	} {
		if _, _, err := Read(bytes.NewReader(c.file)); !errors.Is(err, ErrFormat) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func FuzzRead(f *testing.F) {
	meta, tensors := example()
	f.Add(encode(f, meta, tensors))
	f.Add(withHeader(`{}`, 0))
	f.Fuzz(func(t *testing.T, file []byte) {
		meta, tensors, err := Read(bytes.NewReader(file))
		if err != nil {
			return
		}
		meta.Foreign = false // from now on
		again, tensors2, err := Read(bytes.NewReader(encode(t, meta, tensors)))
		if err != nil || !reflect.DeepEqual(again, meta) && meta.TestAccuracy == meta.TestAccuracy || len(tensors) != len(tensors2) {
			t.Fatalf("what was read does not survive writing: %v", err)
		}
	})
}
