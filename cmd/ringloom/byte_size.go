package main

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"ringloom/report"
)

// byteSize is a flag's number of bytes, as 4096, 256KiB, 1.5MB or, as nccl-tests writes it, 64M.
type byteSize int64

const byteSizeHelp = "with a unit: KiB, MiB, GiB (of 1024; K, M, G are the same), KB, MB, GB (of 1000), or B"

var byteUnits = []struct {
	suffix string
	bytes  float64
}{
	{"gib", 1 << 30}, {"mib", 1 << 20}, {"kib", 1 << 10}, // before those that end like them
	{"gb", 1e9}, {"mb", 1e6}, {"kb", 1e3}, {"g", 1 << 30}, {"m", 1 << 20}, {"k", 1 << 10}, {"b", 1}, {"", 1},
}

// Set parses.
func (b *byteSize) Set(s string) error {
	lower := strings.ToLower(strings.TrimSpace(s))
	for _, u := range byteUnits {
		number, found := strings.CutSuffix(lower, u.suffix)
		if !found {
			continue
		}
		v, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
		bytes := v * u.bytes
		if err != nil || bytes != math.Trunc(bytes) || bytes < 0 || bytes > 1<<62 {
			break
		}
		*b = byteSize(bytes)
		return nil
	}
	return fmt.Errorf("%q is no size: give a whole number of bytes, such as 4096 or 256KiB (%s)", s, byteSizeHelp)
}

// String is the shortest form that Set reads back.
func (b byteSize) String() string { return report.Bytes(int64(b)) }

// Type is shown in the help.
func (b *byteSize) Type() string { return "size" }

// intByteSize is a flag's number of bytes that is kept as an int, where a package's configuration has it so.
type intByteSize struct{ bytes *int }

// Set parses as byteSize does.
func (b intByteSize) Set(s string) error {
	var size byteSize
	if err := size.Set(s); err != nil {
		return err
	}
	if size > math.MaxInt {
		return fmt.Errorf("%q is more than this machine can count: give at most %d bytes", s, math.MaxInt)
	}
	*b.bytes = int(size)
	return nil
}

// String is the shortest form that Set reads back; pflag asks it of the zero value too.
func (b intByteSize) String() string {
	if b.bytes == nil {
		return "0"
	}
	return byteSize(*b.bytes).String()
}

// Type is shown in the help.
func (b intByteSize) Type() string { return "size" }
