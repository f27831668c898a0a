package checkpoint

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
)

// Read returns the tensors in the order of their data. Where the file has sums of what was written, what it returns is that, and any
// damage is an ErrDamaged.
func Read(r io.Reader) (Meta, []Tensor, error) {
	header, err := readHeader(r)
	if err != nil {
		return Meta{}, nil, err
	}
	origin, entries, names, err := parseHeader(header)
	if err != nil {
		return Meta{}, nil, err
	}
	sums, err := readSums(origin, entries)
	if err != nil {
		return Meta{}, nil, err
	}
	var tensors []Tensor
	var offset int64
	for _, name := range names {
		t, err := readTensor(r, name, entries[name], offset, sums)
		if err != nil {
			return Meta{}, nil, err
		}
		offset = entries[name].Offsets[1]
		tensors = append(tensors, t)
	}
	if n, _ := io.CopyN(io.Discard, r, 1); n != 0 {
		return Meta{}, nil, fmt.Errorf("%w: data follows the last tensor", ErrFormat)
	}
	return parseMeta(origin), tensors, nil
}

// pickled says what to do with a file of torch.save.
const pickled = `it is a pickle of torch.save, which ringloom does not read; convert it in Python: ` +
	`safetensors.torch.save_file(torch.load("FILE.pt", map_location="cpu"), "FILE.safetensors")`

// readHeader returns the JSON header.
func readHeader(r io.Reader) ([]byte, error) {
	var first [lengthBytes]byte
	if _, err := io.ReadFull(r, first[:]); err == io.EOF || err == io.ErrUnexpectedEOF {
		return nil, fmt.Errorf("%w: it ends before the header's length", ErrFormat)
	} else if err != nil {
		return nil, err
	}
	length := binary.LittleEndian.Uint64(first[:])
	// torch.save makes a zip archive; before PyTorch 1.6 it was a bare pickle, which begins with its protocol's number.
	// The former's first bytes could be a length, but of 67 MB, which no header has that starts like this.
	if bytes.HasPrefix(first[:], []byte("PK\x03\x04")) || length > maxHeaderBytes && first[0] == 0x80 && first[1] <= 5 {
		return nil, fmt.Errorf("%w: %s", ErrFormat, pickled)
	}
	if length > maxHeaderBytes {
		return nil, fmt.Errorf("%w: its header claims %d bytes; is it a safetensors file?", ErrFormat, length)
	}
	header, err := io.ReadAll(io.LimitReader(r, int64(length)))
	if err != nil {
		return nil, err
	}
	if uint64(len(header)) < length {
		return nil, fmt.Errorf("%w: it ends inside the header", ErrFormat)
	}
	return header, nil
}

// parseHeader returns the metadata, the entries, and their names in the order of the data.
func parseHeader(header []byte) (origin map[string]string, entries map[string]entry, names []string, err error) {
	entries = map[string]entry{}
	err = eachMember(header, func(name string, value *json.Decoder) (err error) {
		if name == metadataKey {
			origin, err = texts(value)
			return err
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
		return nil, nil, nil, fmt.Errorf("%w: its header: %v", ErrFormat, err)
	}
	slices.SortFunc(names, func(a, b string) int { return slices.Compare(entries[a].Offsets, entries[b].Offsets) })
	return origin, entries, names, nil
}

// texts are the members of a JSON object that are texts, as all of the metadata must be; some programs put numbers there.
func texts(value *json.Decoder) (map[string]string, error) {
	var all map[string]any
	if err := value.Decode(&all); err != nil {
		return nil, err
	}
	some := make(map[string]string, len(all))
	for key, v := range all {
		if text, ok := v.(string); ok {
			some[key] = text
		}
	}
	return some, nil
}

// parseMeta tells ringloom's metadata from that of other programs: it has all of what Meta has.
func parseMeta(origin map[string]string) Meta {
	meta := Meta{Model: origin[keyModel]}
	_, named := origin[keyModel]
	epoch, err1 := strconv.Atoi(origin[keyEpoch])
	step, err2 := strconv.Atoi(origin[keyStep])
	accuracy, err3 := strconv.ParseFloat(origin[keyAccuracy], 64)
	if meta.Foreign = !named || err1 != nil || err2 != nil || err3 != nil; !meta.Foreign {
		meta.Epoch, meta.Step, meta.TestAccuracy = epoch, step, accuracy
	}
	extra := maps.Clone(origin)
	for _, key := range []string{keyFormat, keyModel, keyEpoch, keyStep, keyAccuracy, keySums, keyDescription} {
		delete(extra, key)
	}
	if len(extra) > 0 {
		meta.Extra = extra
	}
	return meta
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

// readTensor reads the data of one tensor, which must begin at offset, and holds it against its sum, where there are any.
func readTensor(r io.Reader, name string, e entry, offset int64, s sums) (Tensor, error) {
	kind, ok := dtypes[e.DType]
	if !ok {
		return Tensor{}, fmt.Errorf("%w: tensor %q has dtype %q, only F32, F64, F16, BF16 and I64 are taken: save it as float()",
			ErrFormat, name, e.DType)
	}
	n, ok := elements(e.Shape)
	if !ok {
		return Tensor{}, fmt.Errorf("%w: tensor %q has shape %v", ErrFormat, name, e.Shape)
	}
	size := kind.bytes * n
	if e.Offsets[0] != offset || e.Offsets[1]-offset != size {
		return Tensor{}, fmt.Errorf("%w: tensor %q of shape %v lies at bytes %v, expected [%d %d]",
			ErrFormat, name, e.Shape, e.Offsets, offset, offset+size)
	}
	t := Tensor{Name: name, Shape: e.Shape}
	// Grow with what is there, so that a false shape cannot make a huge allocation.
	block := make([]byte, min(size, blockBytes))
	room := len(block) / int(kind.bytes)
	if kind.float == nil {
		t.Ints = make([]int64, 0, room)
	} else {
		t.Data = make([]float32, 0, room)
	}
	hash := sha256.New()
	for left := size; left > 0; left -= int64(len(block)) {
		block = block[:min(left, blockBytes)]
		if _, err := io.ReadFull(r, block); err == io.EOF || err == io.ErrUnexpectedEOF {
			return Tensor{}, fmt.Errorf("%w: tensor %q ends before its %d bytes", ErrFormat, name, size)
		} else if err != nil {
			return Tensor{}, fmt.Errorf("reading tensor %q: %w", name, err)
		}
		if s != nil {
			hash.Write(block)
		}
		for element := range slices.Chunk(block, int(kind.bytes)) {
			if kind.float == nil {
				t.Ints = append(t.Ints, int64(binary.LittleEndian.Uint64(element)))
			} else {
				t.Data = append(t.Data, kind.float(element))
			}
		}
	}
	if s != nil {
		return t, s.check(name, hash)
	}
	return t, nil
}
