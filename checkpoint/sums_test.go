package checkpoint

import (
	"bytes"
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"
)

// withoutSums is what other programs, and older versions, make of a file.
func withoutSums(t testing.TB, file []byte) []byte {
	t.Helper()
	s := string(file)
	for _, key := range []string{keySums, keyDescription} {
		before, after, found := strings.Cut(s, `"`+key+`":"`)
		if !found {
			t.Fatalf("the file has no %s", key)
		}
		end := 0
		for after[end] != '"' || end > 0 && after[end-1] == '\\' {
			end++
		}
		s = strings.TrimSuffix(before, ",") + after[end+1:]
	}
	length := len(file) - len(s)
	old := int(file[0]) | int(file[1])<<8
	return append([]byte{byte(old - length), byte((old - length) >> 8), 0, 0, 0, 0, 0, 0}, s[lengthBytes:]...)
}

// Whatever bit of a file is turned: it is refused, or says the same.
func TestEveryTurnedBitIsFound(t *testing.T) {
	meta, tensors := example()
	meta.Extra = map[string]string{"run": `{"steps":7}`}
	tensors = append(tensors, Tensor{Name: "1.num_batches_tracked", Shape: []int{}, Ints: []int64{7}})
	file := encode(t, meta, tensors)
	_, want, err := Read(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	data := len(file) - 8 - 4*6
	for i := range 8 * len(file) {
		damaged := bytes.Clone(file)
		damaged[i/8] ^= 1 << (i % 8)
		gotMeta, got, err := Read(bytes.NewReader(damaged))
		switch {
		case err == nil && i/8 >= data:
			t.Errorf("bit %d of byte %d, of the data, is turned, and nobody sees it", i%8, i/8)
		case err == nil && (!reflect.DeepEqual(gotMeta, meta) || !reflect.DeepEqual(got, want)):
			t.Errorf("bit %d of byte %d is turned, and the file says %+v %+v", i%8, i/8, gotMeta, got)
		case err != nil && !errors.Is(err, ErrFormat) && !errors.Is(err, ErrDamaged):
			t.Errorf("bit %d of byte %d: %v", i%8, i/8, err)
		}
	}
}

func TestDamageIsNamed(t *testing.T) {
	meta, tensors := example()
	file := encode(t, meta, tensors)
	damaged := bytes.Clone(file)
	damaged[len(file)-1] ^= 1
	if _, _, err := Read(bytes.NewReader(damaged)); !errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), `tensor "0.bias"`) {
		t.Errorf("got %v", err)
	}
	damaged = bytes.Replace(file, []byte(`"705"`), []byte(`"706"`), 1)
	if _, _, err := Read(bytes.NewReader(damaged)); !errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), "description") {
		t.Errorf("got %v", err)
	}
	// One of the two entries alone.
	damaged = bytes.Replace(file, []byte(keyDescription), []byte("ringloom.description_sha257"), 1)
	if _, _, err := Read(bytes.NewReader(damaged)); !errors.Is(err, ErrDamaged) {
		t.Errorf("got %v", err)
	}
}

func TestFilesWithoutSumsAreTaken(t *testing.T) {
	meta, tensors := example()
	gotMeta, got, err := Read(bytes.NewReader(withoutSums(t, encode(t, meta, tensors))))
	if err != nil || !reflect.DeepEqual(gotMeta, meta) || !reflect.DeepEqual(got, tensors) {
		t.Errorf("got %+v %+v, %v", gotMeta, got, err)
	}
}

// laterFile can be patched, as that of report.WriteFileAtomic.
type laterFile struct {
	bytes.Buffer
	offset int64
	fill   func() []byte
}

func (f *laterFile) PatchLater(offset int64, fill func() []byte) { f.offset, f.fill = offset, fill }

func TestSumsThatComeLaterAreTheSame(t *testing.T) {
	meta, tensors := example()
	var f laterFile
	if err := Write(&f, meta, tensors); err != nil {
		t.Fatal(err)
	}
	if _, _, err := Read(bytes.NewReader(f.Bytes())); !errors.Is(err, ErrDamaged) {
		t.Errorf("before they come: %v", err)
	}
	copy(f.Bytes()[f.offset:], f.fill())
	if !bytes.Equal(f.Bytes(), encode(t, meta, tensors)) {
		t.Error("the files differ")
	}
}

// What other programs say of their files is a hint at best. Some of it is no text, some has our names.
func TestForeignMetadata(t *testing.T) {
	const tensor = `"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}`
	for metadata, want := range map[string]Meta{
		`{"format":"pt","model":"LeNet-5"}`:                   {Foreign: true, Model: "LeNet-5"},
		`{"model":"nin","epoch":"last","step":"7","run":"x"}`: {Foreign: true, Model: "nin", Extra: map[string]string{"run": "x"}},
		`{"model":"nin","epoch":3,"step":7,"lr":0.1}`:         {Foreign: true, Model: "nin"},
		`{}`: {Foreign: true},
	} {
		meta, _, err := Read(bytes.NewReader(withHeader(`{"__metadata__":`+metadata+`,`+tensor, 4)))
		if err != nil || !reflect.DeepEqual(meta, want) {
			t.Errorf("%s: got %+v, %v", metadata, meta, err)
		}
		target := []Tensor{{Name: "a", Shape: []int{1}, Data: []float32{7}}}
		if err := Fit("lenet", target, meta, []Tensor{{Name: "a", Shape: []int{1}, Data: []float32{1}}}); err != nil || target[0].Data[0] != 1 {
			t.Errorf("%s: %v", metadata, err)
		}
	}
}

func TestVariancesAreNotNegative(t *testing.T) {
	for name, refused := range map[string]bool{
		"1.running_var": true, "running_var": true, "exp_avg_sq.0.weight": true, "1.running_mean": false, "exp_avg.0.weight": false, "0.weight": false,
	} {
		have := []Tensor{{Name: name, Shape: []int{2}, Data: []float32{1, -1e-6}}}
		err := Fit("net", []Tensor{{Name: name, Shape: []int{2}, Data: make([]float32, 2)}}, Meta{}, have)
		if (err != nil) != refused || refused && (!errors.Is(err, ErrMismatch) || !strings.Contains(err.Error(), "element 1 of tensor")) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestWriteRefusesNamesThatAreNoText(t *testing.T) {
	a := []Tensor{{Name: "a\xff", Shape: []int{0}, Data: []float32{}}}
	if err := Write(io.Discard, Meta{}, a); !errors.Is(err, ErrFormat) {
		t.Errorf("a name: %v", err)
	}
	if err := Write(io.Discard, Meta{Extra: map[string]string{"run": "\xff"}}, nil); !errors.Is(err, ErrFormat) {
		t.Errorf("metadata: %v", err)
	}
}
