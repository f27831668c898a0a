package collective

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"reflect"
	"strconv"
	"strings"
)

// Setting is what all rows of a sweep have in common. The names and units of its JSON form, as of Record and End, are
// part of the command's interface: docs/bench.md explains them.
type Setting struct {
	Op          Op     `json:"op"`
	Ranks       int    `json:"ranks"`
	Hosts       int    `json:"hosts"`     // that the ranks are on
	Transport   string `json:"transport"` // "nats" or "memory"
	Path        string `json:"path"`      // how frames travel from rank 0, in words
	Wire        string `json:"wire"`
	ChunkBytes  int    `json:"chunk_bytes"`
	WindowBytes int    `json:"window_bytes"`
	Rings       int    `json:"rings"`
	Machine     string `json:"machine"` // processor model of rank 0
	Version     string `json:"version"`
}

// Record is a row for other programs: one object per line, or one line of CSV.
type Record struct {
	Setting
	Bytes int64  `json:"bytes"`
	Count int64  `json:"count"`
	Type  string `json:"type"`
	RedOp string `json:"redop"`

	OutIterations *int     `json:"out_of_place_iterations"`
	OutSeconds    *float64 `json:"out_of_place_seconds"` // median
	OutMinSeconds *float64 `json:"out_of_place_min_seconds"`
	OutAlgBytes   *float64 `json:"out_of_place_algbw_bytes_per_second"`
	OutBusBytes   *float64 `json:"out_of_place_busbw_bytes_per_second"`
	OutWrong      *int64   `json:"out_of_place_wrong"`

	InIterations *int     `json:"in_place_iterations"`
	InSeconds    *float64 `json:"in_place_seconds"`
	InMinSeconds *float64 `json:"in_place_min_seconds"`
	InAlgBytes   *float64 `json:"in_place_algbw_bytes_per_second"`
	InBusBytes   *float64 `json:"in_place_busbw_bytes_per_second"`
	InWrong      *int64   `json:"in_place_wrong"`
}

// End is the last object of a sweep.
type End struct {
	Setting
	Sizes           int     `json:"sizes"`
	AverageBusBytes float64 `json:"average_busbw_bytes_per_second"`
	Wrong           int64   `json:"wrong"`
}

func newRecord(s Setting, r Row) Record {
	rec := Record{Setting: s, Bytes: r.Bytes, Count: r.Count, Type: s.Op.Type(), RedOp: s.Op.RedOp()}
	if t := r.OutOfPlace; t != nil {
		rec.OutIterations, rec.OutSeconds, rec.OutMinSeconds = &t.Iterations, &t.Seconds, &t.MinSeconds
		rec.OutAlgBytes, rec.OutBusBytes, rec.OutWrong = &t.AlgBytes, &t.BusBytes, &t.WrongValues
	}
	if t := r.InPlace; t != nil {
		rec.InIterations, rec.InSeconds, rec.InMinSeconds = &t.Iterations, &t.Seconds, &t.MinSeconds
		rec.InAlgBytes, rec.InBusBytes, rec.InWrong = &t.AlgBytes, &t.BusBytes, &t.WrongValues
	}
	return rec
}

// Printer shows a sweep as it runs: Begin, a Row for each size, End.
type Printer interface {
	Begin(Setting, Config) error
	Row(Row) error
	End(Summary) error
}

// NewJSON prints one object per line: a Record for each size, and an End.
func NewJSON(out io.Writer) Printer { return &jsonPrinter{out: json.NewEncoder(out)} }

type jsonPrinter struct {
	out     *json.Encoder
	setting Setting
}

func (p *jsonPrinter) Begin(s Setting, _ Config) error {
	p.setting = s
	return nil
}

func (p *jsonPrinter) Row(r Row) error { return p.out.Encode(newRecord(p.setting, r)) }

func (p *jsonPrinter) End(s Summary) error {
	return p.out.Encode(End{p.setting, s.Sizes, s.BusBytes, s.WrongValues})
}

// NewCSV prints a header line and a line for each size, with the names of Record's JSON form.
func NewCSV(out io.Writer) Printer { return &csvPrinter{out: csv.NewWriter(out)} }

type csvPrinter struct {
	out     *csv.Writer
	setting Setting
}

func (p *csvPrinter) Begin(s Setting, _ Config) error {
	p.setting = s
	names, _ := columns(reflect.ValueOf(Record{}))
	return p.line(names)
}

func (p *csvPrinter) Row(r Row) error {
	_, cells := columns(reflect.ValueOf(newRecord(p.setting, r)))
	return p.line(cells)
}

func (p *csvPrinter) End(Summary) error { return nil }

// line is out at once, for a reader who watches.
func (p *csvPrinter) line(cells []string) error {
	if err := p.out.Write(cells); err != nil {
		return err
	}
	p.out.Flush()
	return p.out.Error()
}

// columns are the names and the values of a struct's fields in order, embedded ones included; nil is an empty cell.
func columns(v reflect.Value) (names, cells []string) {
	for i := range v.NumField() {
		field := v.Field(i)
		if v.Type().Field(i).Anonymous {
			n, c := columns(field)
			names, cells = append(names, n...), append(cells, c...)
			continue
		}
		name, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("json"), ",")
		names = append(names, name)
		if field.Kind() == reflect.Pointer {
			if field.IsNil() {
				cells = append(cells, "")
				continue
			}
			field = field.Elem()
		}
		text := fmt.Sprint(field.Interface())
		if field.Kind() == reflect.Float64 {
			text = strconv.FormatFloat(field.Float(), 'g', -1, 64)
		}
		cells = append(cells, text)
	}
	return names, cells
}
