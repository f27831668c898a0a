package collective

import (
	"encoding/csv"
	"encoding/json"
	"errors"
	"reflect"
	"strconv"
	"strings"
	"testing"
)

var (
	testSetting = Setting{
		Op: AllReduce, Ranks: 2, Hosts: 1, Transport: "nats", Path: "TCP", Wire: "float32", ChunkBytes: 262144, WindowBytes: 4194304, Rings: 2,
		Machine: "Some CPU", Version: "v1",
	}
	testRow = Row{
		Bytes: 1024, Count: 256,
		OutOfPlace: &Timing{Iterations: 20, Seconds: 123.4e-6, MinSeconds: 99.9e-6, AlgBytes: 8.3e6, BusBytes: 8.3e6},
		InPlace:    &Timing{Iterations: 19, Seconds: 12.3e-6, MinSeconds: 9.87e-6, AlgBytes: 83e6, BusBytes: 83e6, WrongValues: 7},
	}
)

func show(t *testing.T, p Printer) {
	t.Helper()
	if err := errors.Join(p.Begin(testSetting, Default()), p.Row(testRow), p.End(summarise([]Row{testRow}))); err != nil {
		t.Fatal(err)
	}
}

func TestTextLooksLikeNCCLTests(t *testing.T) {
	var out strings.Builder
	show(t, NewText(&out))
	const want = `# ringloom v1: all-reduce, 2 ranks on this machine
# Some CPU
# transport nats (TCP), wire float32, chunk 262144 bytes, window 4194304 bytes, 2 rings
# 20 iterations after 5 for warm-up, at most 5s a size; time is the median of the slowest rank's, min the least
#
#                                                             out-of-place                                       in-place
#       size        count     type  redop        time        min    algbw    busbw  #wrong        time        min    algbw    busbw  #wrong
#        (B)   (elements)                        (us)       (us)   (GB/s)   (GB/s)                (us)       (us)   (GB/s)   (GB/s)
        1024          256  float32    sum         123       99.9    0.008    0.008       0        12.3       9.87    0.083    0.083       7
# average bus bandwidth: 0.046 GB/s
# wrong values: 7
`
	if out.String() != want {
		t.Errorf("got\n%s\nwant\n%s", out.String(), want)
	}
}

func TestJSONAndCSVAgree(t *testing.T) {
	var lines, table strings.Builder
	show(t, NewJSON(&lines))
	show(t, NewCSV(&table))
	decoder := json.NewDecoder(strings.NewReader(lines.String()))
	var row map[string]any
	var end End
	if err := errors.Join(decoder.Decode(&row), decoder.Decode(&end)); err != nil {
		t.Fatal(err)
	}
	if end.Wrong != 7 || end.Sizes != 1 || end.Setting != testSetting {
		t.Errorf("%+v", end)
	}
	cells, err := csv.NewReader(strings.NewReader(table.String())).ReadAll()
	if err != nil || len(cells) != 2 || len(cells[0]) != len(row) {
		t.Fatalf("%v, %v", cells, err)
	}
	for i, name := range cells[0] {
		value, there := row[name]
		text, number := cells[1][i], 0.0
		same := there && value == any(text)
		if want, ok := value.(float64); ok {
			number, err = strconv.ParseFloat(text, 64)
			same = err == nil && number == want
		}
		if !same {
			t.Errorf("%s is %v as JSON and %s as CSV", name, value, text)
		}
	}
}

// What a collective does not have is null, and an empty cell.
func TestFormsThatAreNotThere(t *testing.T) {
	var out strings.Builder
	p := NewJSON(&out)
	if err := errors.Join(p.Begin(testSetting, Default()), p.Row(Row{OutOfPlace: testRow.OutOfPlace})); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(out.String(), `"in_place_seconds":null`) {
		t.Error(out.String())
	}
	names, cells := columns(reflect.ValueOf(newRecord(testSetting, Row{})))
	if len(names) != len(cells) || cells[len(cells)-1] != "" {
		t.Errorf("%v", cells)
	}
}
