package checkpoint

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
)

// Tensor is a named array of float32 in row-major order.
type Tensor struct {
	Name  string
	Shape []int
	Data  []float32
}

// Meta is what a checkpoint says of its origin.
type Meta struct {
	Model        string
	Epoch, Step  int
	TestAccuracy float64
}

var (
	// ErrFormat is wrapped when a file is no valid safetensors file of float32 tensors.
	ErrFormat = errors.New("not a valid checkpoint")
	// ErrMismatch is wrapped when a valid file does not fit the model.
	ErrMismatch = errors.New("checkpoint does not fit the model")
)

// maxHeaderBytes bounds what a damaged length can make the reader allocate; the format's own limit is 100 MB.
const maxHeaderBytes = 100_000_000

// entry is a tensor's place in the file, as the format spells it.
type entry struct {
	DType   string   `json:"dtype"`
	Shape   []int    `json:"shape"`
	Offsets [2]int64 `json:"data_offsets"`
}

// Write writes tensors in their order.
func Write(w io.Writer, meta Meta, tensors []Tensor) error {
	var header bytes.Buffer
	origin, err := json.Marshal(map[string]string{
		"format": "pt", "model": meta.Model, "epoch": strconv.Itoa(meta.Epoch), "step": strconv.Itoa(meta.Step),
		"test_accuracy": strconv.FormatFloat(meta.TestAccuracy, 'g', -1, 64),
	})
	if err != nil {
		return err
	}
	fmt.Fprintf(&header, `{"__metadata__":%s`, origin)
	var offset int64
	for _, t := range tensors {
		name, err := json.Marshal(t.Name)
		if err != nil {
			return err
		}
		end := offset + 4*int64(len(t.Data))
		place, err := json.Marshal(entry{"F32", t.Shape, [2]int64{offset, end}})
		if err != nil {
			return err
		}
		fmt.Fprintf(&header, `,%s:%s`, name, place)
		offset = end
	}
	header.WriteByte('}')
	for header.Len()%8 != 0 { // the format aligns the data with spaces
		header.WriteByte(' ')
	}
	if err := binary.Write(w, binary.LittleEndian, uint64(header.Len())); err != nil {
		return err
	}
	if _, err := w.Write(header.Bytes()); err != nil {
		return err
	}
	for _, t := range tensors {
		if err := binary.Write(w, binary.LittleEndian, t.Data); err != nil {
			return err
		}
	}
	return nil
}

// Read returns the tensors in the order of their data.
func Read(r io.Reader) (Meta, []Tensor, error) {
	var length uint64
	if err := binary.Read(r, binary.LittleEndian, &length); err != nil {
		return Meta{}, nil, fmt.Errorf("%w: it ends before the header's length", ErrFormat)
	}
	if length > maxHeaderBytes {
		return Meta{}, nil, fmt.Errorf("%w: its header claims %d bytes", ErrFormat, length)
	}
	header, err := io.ReadAll(io.LimitReader(r, int64(length)))
	if err != nil {
		return Meta{}, nil, err
	}
	if uint64(len(header)) < length {
		return Meta{}, nil, fmt.Errorf("%w: it ends inside the header", ErrFormat)
	}
	meta, entries, names, err := parseHeader(header)
	if err != nil {
		return Meta{}, nil, err
	}
	var tensors []Tensor
	var offset int64
	for _, name := range names {
		t, err := readTensor(r, name, entries[name], offset)
		if err != nil {
			return Meta{}, nil, err
		}
		offset = entries[name].Offsets[1]
		tensors = append(tensors, t)
	}
	if n, _ := io.CopyN(io.Discard, r, 1); n != 0 {
		return Meta{}, nil, fmt.Errorf("%w: data follows the last tensor", ErrFormat)
	}
	return meta, tensors, nil
}

// parseHeader returns the entries and their names in the order of the data.
func parseHeader(header []byte) (Meta, map[string]entry, []string, error) {
	var raw map[string]json.RawMessage
	if err := json.Unmarshal(header, &raw); err != nil {
		return Meta{}, nil, nil, fmt.Errorf("%w: its header is no JSON object: %v", ErrFormat, err)
	}
	var origin map[string]string
	if m, ok := raw["__metadata__"]; ok {
		if err := json.Unmarshal(m, &origin); err != nil {
			return Meta{}, nil, nil, fmt.Errorf("%w: its metadata: %v", ErrFormat, err)
		}
		delete(raw, "__metadata__")
	}
	// Files of other programs have no such fields; they then read as zero.
	meta := Meta{Model: origin["model"]}
	meta.Epoch, _ = strconv.Atoi(origin["epoch"])
	meta.Step, _ = strconv.Atoi(origin["step"])
	meta.TestAccuracy, _ = strconv.ParseFloat(origin["test_accuracy"], 64)

	entries := make(map[string]entry, len(raw))
	var names []string
	for name, r := range raw {
		var e entry
		if err := json.Unmarshal(r, &e); err != nil {
			return Meta{}, nil, nil, fmt.Errorf("%w: tensor %q: %v", ErrFormat, name, err)
		}
		entries[name] = e
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b string) int {
		if d := entries[a].Offsets[0] - entries[b].Offsets[0]; d != 0 {
			return int(max(-1, min(1, d)))
		}
		return int(max(-1, min(1, entries[a].Offsets[1]-entries[b].Offsets[1])))
	})
	return meta, entries, names, nil
}

// readTensor reads the data of one tensor, which must begin at offset.
func readTensor(r io.Reader, name string, e entry, offset int64) (Tensor, error) {
	if e.DType != "F32" {
		return Tensor{}, fmt.Errorf("%w: tensor %q has dtype %q, only F32 is taken", ErrFormat, name, e.DType)
	}
	elements := int64(1)
	for _, d := range e.Shape {
		if d < 0 || (d > 0 && elements > math.MaxInt32/int64(d)) {
			return Tensor{}, fmt.Errorf("%w: tensor %q has shape %v", ErrFormat, name, e.Shape)
		}
		elements *= int64(d)
	}
	if e.Offsets[0] != offset || e.Offsets[1]-offset != 4*elements {
		return Tensor{}, fmt.Errorf("%w: tensor %q of shape %v lies at bytes %v, expected [%d %d]",
			ErrFormat, name, e.Shape, e.Offsets, offset, offset+4*elements)
	}
	// Grow with what is there, so that a false shape cannot make a huge allocation.
	var block bytes.Buffer
	if n, err := io.CopyN(&block, r, 4*elements); err != nil {
		return Tensor{}, fmt.Errorf("%w: tensor %q ends after %d of %d bytes", ErrFormat, name, n, 4*elements)
	}
	data := make([]float32, elements)
	for i := range data {
		data[i] = math.Float32frombits(binary.LittleEndian.Uint32(block.Bytes()[4*i:]))
	}
	return Tensor{Name: name, Shape: e.Shape, Data: data}, nil
}

// Fit copies tensors into the model's own, which want lists in any order, or changes nothing and says which tensor is
// missing, unknown, of another shape or not finite.
func Fit(model string, want []Tensor, meta Meta, have []Tensor) error {
	if meta.Model != "" && meta.Model != model {
		return fmt.Errorf("%w: it was written by %s, this run trains %s", ErrMismatch, meta.Model, model)
	}
	byName := make(map[string]Tensor, len(have))
	for _, t := range have {
		byName[t.Name] = t
	}
	for _, w := range want {
		h, ok := byName[w.Name]
		switch {
		case !ok:
			return fmt.Errorf("%w: %s's tensor %q is missing", ErrMismatch, model, w.Name)
		case !slices.Equal(h.Shape, w.Shape):
			return fmt.Errorf("%w: tensor %q has shape %v, %s needs %v", ErrMismatch, w.Name, h.Shape, model, w.Shape)
		}
		for i, v := range h.Data {
			if math.IsNaN(float64(v)) || math.IsInf(float64(v), 0) {
				return fmt.Errorf("%w: element %d of tensor %q is %v", ErrMismatch, i, w.Name, v)
			}
		}
		delete(byName, w.Name)
	}
	for _, t := range have {
		if _, left := byName[t.Name]; left {
			return fmt.Errorf("%w: %s has no tensor %q", ErrMismatch, model, t.Name)
		}
	}
	for _, w := range want {
		i := slices.IndexFunc(have, func(t Tensor) bool { return t.Name == w.Name })
		copy(w.Data, have[i].Data)
	}
	return nil
}
