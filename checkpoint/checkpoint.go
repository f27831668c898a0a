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

// blockBytes is how much data is converted at a time.
const blockBytes = 64 << 10

// metadataKey is the one name in the header that is no tensor's.
const metadataKey = "__metadata__"

// entry is a tensor's place in the file, as the format spells it.
type entry struct {
	DType   string  `json:"dtype"`
	Shape   []int   `json:"shape"`
	Offsets []int64 `json:"data_offsets"`
}

// Write writes tensors in their order. It refuses a name that occurs twice and data that do not fill their shape: no
// reader would take such a file.
func Write(w io.Writer, meta Meta, tensors []Tensor) error {
	var header bytes.Buffer
	origin, err := json.Marshal(map[string]string{
		"format": "pt", "model": meta.Model, "epoch": strconv.Itoa(meta.Epoch), "step": strconv.Itoa(meta.Step),
		"test_accuracy": strconv.FormatFloat(meta.TestAccuracy, 'g', -1, 64),
	})
	if err != nil {
		return err
	}
	fmt.Fprintf(&header, `{%q:%s`, metadataKey, origin)
	var offset int64
	named := make(map[string]bool, len(tensors))
	for _, t := range tensors {
		if n, ok := elements(t.Shape); !ok || n != int64(len(t.Data)) {
			return fmt.Errorf("%w: tensor %q of shape %v has %d elements", ErrFormat, t.Name, t.Shape, len(t.Data))
		}
		if named[t.Name] || t.Name == metadataKey {
			return fmt.Errorf("%w: the name %q is taken already", ErrFormat, t.Name)
		}
		named[t.Name] = true
		name, err := json.Marshal(t.Name)
		if err != nil {
			return err
		}
		end := offset + 4*int64(len(t.Data))
		place, err := json.Marshal(entry{"F32", append([]int{}, t.Shape...), []int64{offset, end}})
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
	block := make([]byte, 0, blockBytes)
	for _, t := range tensors {
		for part := range slices.Chunk(t.Data, blockBytes/4) {
			block = block[:0]
			for _, v := range part {
				block = binary.LittleEndian.AppendUint32(block, math.Float32bits(v))
			}
			if _, err := w.Write(block); err != nil {
				return err
			}
		}
	}
	return nil
}

// elements is the number of elements of a shape; ok is false where it is negative or beyond what the reader takes.
func elements(shape []int) (n int64, ok bool) {
	n = 1
	for _, d := range shape {
		if d < 0 || (d > 0 && n > math.MaxInt32/int64(d)) {
			return 0, false
		}
		n *= int64(d)
	}
	return n, true
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
	var origin map[string]string
	entries := map[string]entry{}
	var names []string
	err := eachMember(header, func(name string, value *json.Decoder) error {
		if name == metadataKey {
			return value.Decode(&origin)
		}
		var e entry
		if err := value.Decode(&e); err != nil {
			return fmt.Errorf("tensor %q: %w", name, err)
		}
		if _, twice := entries[name]; twice {
			return fmt.Errorf("tensor %q is there twice", name)
		}
		if e.Shape == nil || len(e.Offsets) != 2 {
			return fmt.Errorf("tensor %q has shape %v and data_offsets %v", name, e.Shape, e.Offsets)
		}
		entries[name] = e
		names = append(names, name)
		return nil
	})
	if err != nil {
		return Meta{}, nil, nil, fmt.Errorf("%w: its header: %v", ErrFormat, err)
	}
	// Files of other programs have no such fields; they then read as zero.
	meta := Meta{Model: origin["model"]}
	meta.Epoch, _ = strconv.Atoi(origin["epoch"])
	meta.Step, _ = strconv.Atoi(origin["step"])
	meta.TestAccuracy, _ = strconv.ParseFloat(origin["test_accuracy"], 64)

	slices.SortFunc(names, func(a, b string) int { return slices.Compare(entries[a].Offsets, entries[b].Offsets) })
	return meta, entries, names, nil
}

// eachMember calls member for every name of a JSON object, in order, with the decoder that stands before its value.
// A plain json.Unmarshal would hide names that occur twice.
func eachMember(object []byte, member func(name string, value *json.Decoder) error) error {
	d := json.NewDecoder(bytes.NewReader(object))
	d.DisallowUnknownFields()
	if open, err := d.Token(); err != nil || open != json.Delim('{') {
		return errors.New("it is no JSON object")
	}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return err
		}
		if err := member(name.(string), d); err != nil { // a name in an object is a string or an error
			return err
		}
	}
	if _, err := d.Token(); err != nil { // the closing brace
		return err
	}
	if _, err := d.Token(); err != io.EOF {
		return errors.New("something follows the JSON object")
	}
	return nil
}

// readTensor reads the data of one tensor, which must begin at offset.
func readTensor(r io.Reader, name string, e entry, offset int64) (Tensor, error) {
	if e.DType != "F32" {
		return Tensor{}, fmt.Errorf("%w: tensor %q has dtype %q, only F32 is taken", ErrFormat, name, e.DType)
	}
	n, ok := elements(e.Shape)
	if !ok {
		return Tensor{}, fmt.Errorf("%w: tensor %q has shape %v", ErrFormat, name, e.Shape)
	}
	if e.Offsets[0] != offset || e.Offsets[1]-offset != 4*n {
		return Tensor{}, fmt.Errorf("%w: tensor %q of shape %v lies at bytes %v, expected [%d %d]",
			ErrFormat, name, e.Shape, e.Offsets, offset, offset+4*n)
	}
	// Grow with what is there, so that a false shape cannot make a huge allocation.
	block := make([]byte, min(4*n, blockBytes))
	data := make([]float32, 0, len(block)/4)
	for left := 4 * n; left > 0; left -= int64(len(block)) {
		block = block[:min(left, blockBytes)]
		if _, err := io.ReadFull(r, block); err == io.EOF || err == io.ErrUnexpectedEOF {
			return Tensor{}, fmt.Errorf("%w: tensor %q ends before its %d bytes", ErrFormat, name, 4*n)
		} else if err != nil {
			return Tensor{}, fmt.Errorf("reading tensor %q: %w", name, err)
		}
		for i := 0; i < len(block); i += 4 {
			data = append(data, math.Float32frombits(binary.LittleEndian.Uint32(block[i:])))
		}
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
