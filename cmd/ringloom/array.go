package main

import (
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"ringloom/internal/float32le"
	"ringloom/report"
)

// array is numbers for other programs, row-major.
type array struct {
	shape []int
	data  []float32
}

// checkArrayPath refuses a flag's file whose name does not say its format, or that cannot be written.
func checkArrayPath(flag, path string) error {
	if ext := filepath.Ext(path); ext != ".npy" && ext != ".csv" {
		return fmt.Errorf("--%s: %s ends in %q: choose .npy or .csv", flag, path, ext)
	}
	return checkOutput(flag, path)
}

// checkOutput finds out before any work whether a flag's file can be written.
func checkOutput(flag, path string) error {
	if err := report.CheckWritable(path); err != nil {
		return fmt.Errorf("--%s %s: %w", flag, path, err)
	}
	return nil
}

// save writes the format that the path's end names.
func (a array) save(path string) error {
	return report.WriteFileAtomic(path, func(w io.Writer) error {
		if filepath.Ext(path) == ".csv" {
			return a.writeCSV(w)
		}
		return a.writeNPY(w)
	})
}

// writeCSV writes a line for each index of the first axis, with as many digits as tell float32 values apart.
func (a array) writeCSV(w io.Writer) error {
	var line []byte
	for row := range slices.Chunk(a.data, len(a.data)/a.shape[0]) {
		line = line[:0]
		for _, v := range row {
			line = append(strconv.AppendFloat(line, float64(v), 'g', -1, 32), ',')
		}
		line[len(line)-1] = '\n'
		if _, err := w.Write(line); err != nil {
			return err
		}
	}
	return nil
}

// writeNPY writes version 1.0 of NumPy's format (NEP 1).
func (a array) writeNPY(w io.Writer) error {
	const prefix, align = 10, 64 // of the header's text; of the data
	dims := strings.Trim(strings.Join(strings.Fields(fmt.Sprint(a.shape)), ", "), "[]")
	header := fmt.Sprintf("{'descr': '<f4', 'fortran_order': False, 'shape': (%s,), }", dims)
	header += strings.Repeat(" ", align-1-(prefix+len(header))%align) + "\n"
	begin := append([]byte("\x93NUMPY\x01\x00"), byte(len(header)), byte(len(header)>>8))
	if _, err := w.Write(append(begin, header...)); err != nil {
		return err
	}
	return float32le.Write(w, a.data)
}
