package kernels

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"ringloom/data"
)

// checks are the parts of the host program after the kernels' source, in order.
var checks = []string{"check.h", "check_elementwise.cpp", "check_pool.cpp", "check_sums.cpp", "check_rest.cpp", "check_patches.cpp", "pixels.cpp", "main.cpp"}

// hostSource is the kernels as a C++ program that checks them on the host (testdata/prelude.h).
func hostSource() (string, error) {
	var all strings.Builder
	part := func(name string) error {
		content, err := os.ReadFile(filepath.Join("testdata", name))
		fmt.Fprintf(&all, "#line 1 %q\n%s", name, content)
		return err
	}
	if err := part("prelude.h"); err != nil {
		return "", err
	}
	all.WriteString(Source())
	for _, name := range checks {
		if err := part(name); err != nil {
			return "", err
		}
	}
	return all.String(), nil
}

// gxx runs g++ on a C++ source, or skips.
func gxx(t *testing.T, source string, options ...string) []byte {
	t.Helper()
	compiler, err := exec.LookPath("g++")
	if err != nil {
		t.Skip("SKIPPED: no g++, which compiles the kernels for the host to check their numbers")
	}
	c := exec.Command(compiler, append(options, "-std=c++17", "-x", "c++", "-")...)
	c.Stdin = strings.NewReader(source)
	var messages bytes.Buffer
	c.Stderr = &messages
	out, err := c.Output()
	if err != nil {
		t.Fatalf("g++: %v\n%s", err, messages.Bytes())
	}
	return out
}

var hostProgram struct {
	once         sync.Once
	folder, path string
}

// host builds the host program once. It ends with a trap at a misaligned access or an index outside of an array.
func host(t *testing.T) string {
	t.Helper()
	hostProgram.once.Do(func() {
		source, err := hostSource()
		if err != nil {
			t.Fatal(err)
		}
		if hostProgram.folder, err = os.MkdirTemp("", "ringloom-kernels"); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(hostProgram.folder, "check")
		gxx(t, source, "-O1", "-w", "-fsanitize=alignment,bounds", "-fsanitize-undefined-trap-on-error", "-o", path)
		hostProgram.path = path
	})
	if hostProgram.path == "" {
		t.Skip("SKIPPED: the program that runs the kernels on the host could not be built; see the first test that needs it")
	}
	return hostProgram.path
}

func TestMain(m *testing.M) {
	code := m.Run()
	if hostProgram.folder != "" {
		os.RemoveAll(hostProgram.folder)
	}
	os.Exit(code)
}

// Every kernel but load_pixels against plain references in double: odd sizes, one channel, gaps between pixels, in place,
// with and without masks, addresses that 16 does not divide, both types, several grids.
func TestNumbersOnTheHost(t *testing.T) {
	if out, err := exec.Command(host(t)).CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestLoadPixelsIsPILsToTheBit(t *testing.T) {
	program := host(t)
	const n = 3
	for _, sizes := range [][2]int{{28, 96}, {28, 224}, {28, 28}, {28, 33}, {30, 7}, {5, 1}, {1, 6}} {
		from, to := sizes[0], sizes[1]
		resampling := data.NewResampling(from, to)
		src := make([]byte, n*from*from)
		for i := range src {
			src[i] = byte(i * i * 37 >> 3)
		}
		var in bytes.Buffer
		for _, part := range []any{[]int32{n, int32(from), int32(to), int32(resampling.Taps)}, resampling.Bounds, resampling.Weights, src} {
			if err := binary.Write(&in, binary.LittleEndian, part); err != nil {
				t.Fatal(err)
			}
		}
		inFile, outFile := filepath.Join(t.TempDir(), "in"), filepath.Join(t.TempDir(), "out")
		if err := os.WriteFile(inFile, in.Bytes(), 0o666); err != nil {
			t.Fatal(err)
		}
		if out, err := exec.Command(program, inFile, outFile).CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		out, err := os.ReadFile(outFile)
		if err != nil {
			t.Fatal(err)
		}
		got, gotHalf := make([]float32, n*to*to), make([]uint16, n*to*to)
		r := bytes.NewReader(out)
		if err := binary.Read(r, binary.LittleEndian, got); err != nil {
			t.Fatal(err)
		}
		if err := binary.Read(r, binary.LittleEndian, gotHalf); err != nil {
			t.Fatal(err)
		}

		resizer, pixels, want := data.NewResizer(from, to), make([]byte, to*to), make([]float32, to*to)
		for image := range n {
			resizer.Bytes(pixels, src[image*from*from:])
			data.Normalize(want, pixels)
			for i, w := range want {
				at := image*to*to + i
				if got[at] != w {
					t.Fatalf("%d to %d: pixel %d of image %d is %v, want %v", from, to, i, image, got[at], w)
				}
				// Exactly half way there is no p/255.
				if half := uint16((math.Float32bits(w) + 0x8000) >> 16); gotHalf[at] != half {
					t.Fatalf("%d to %d: pixel %d of image %d is %04x in bfloat16, want %04x", from, to, i, image, gotHalf[at], half)
				}
			}
		}
	}
}

func TestNamesAreThoseOfTheSource(t *testing.T) {
	var defined []string
	kernel := regexp.MustCompile(`extern "C"\s+__global__\s+void\s+(\w+)\s*\(`)
	for _, match := range kernel.FindAllStringSubmatch(string(gxx(t, Source(), "-E")), -1) {
		defined = append(defined, match[1])
	}
	names := Names()
	slices.Sort(defined)
	slices.Sort(names)
	if !slices.Equal(defined, names) {
		t.Errorf("Names() and the source differ:\n%v\n%v", names, defined)
	}
}
