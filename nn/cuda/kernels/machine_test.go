//go:build gpu && cgo

package kernels_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"sync"
	"testing"
	"unsafe"

	"ringloom/internal/cudaemu"
	"ringloom/nn/cuda/driver"
	"ringloom/nn/cuda/kernels"
	"ringloom/nn/cuda/libs"
)

// TestMain has the tests run on the emulator, where threads and blocks come in an order chosen at random unless the environment
// says otherwise: a barrier that is missing shows in one order or the other.
func TestMain(m *testing.M) {
	const seed = "RINGLOOM_EMULATOR_SEED"
	if os.Getenv(seed) == "" {
		os.Setenv(seed, "1")
	}
	if err := cudaemu.SetUp(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

const (
	arenaBytes = 16 << 20
	argBytes   = 64 // of a launch's longest argument
	maxArgs    = 16
	unwritten  = 0xa5 // every byte that neither host nor device has written
	guardBytes = 256  // on both sides of an operand
)

// machine is a device with the kernels, and memory for the operands of one scene at a time.
type machine struct {
	t      *testing.T
	ctx    *driver.Context
	stream *driver.Stream
	module *driver.Module

	arena    uintptr // on the device
	mirror   []byte  // the same memory as the host has last written or read it
	used     int
	args     []byte
	scene    string // what is being checked
	failures int
	random   *rand.Rand
}

// image is the kernels, compiled.
var image = sync.OnceValues(func() ([]byte, error) {
	device, err := driver.Devices()
	if err != nil {
		return nil, err
	}
	arch := fmt.Sprintf("--gpu-architecture=sm_%d%d", device[0].Major, device[0].Minor)
	code, log, err := libs.CompileRTC(kernels.Source(), "ringloom.cu", []string{arch, "-std=c++17"})
	if err != nil {
		return nil, fmt.Errorf("%w\n%s", err, log)
	}
	return code, nil
})

// open locks the calling test to a thread with a device, or skips it.
func open(t *testing.T) *machine {
	t.Helper()
	if err := driver.Load(); err != nil {
		if os.Getenv("RINGLOOM_LIBCUDA") != "" {
			t.Fatal(err)
		}
		t.Skipf("SKIPPED, the kernels' numbers were NOT checked: %v", err)
	}
	code, err := image()
	must(t, err)
	runtime.LockOSThread()
	m := &machine{t: t, random: rand.New(rand.NewPCG(1, 2))}
	m.ctx, err = driver.Open(0)
	must(t, err)
	t.Cleanup(func() {
		must(t, m.ctx.Close())
		runtime.UnlockOSThread()
	})
	m.stream, err = m.ctx.NewStream()
	must(t, err)
	t.Cleanup(func() { must(t, m.stream.Destroy()) })
	m.module, err = m.ctx.LoadModule(code)
	must(t, err)
	t.Cleanup(func() { must(t, m.module.Unload()) })
	m.arena, err = m.ctx.Alloc(arenaBytes)
	must(t, err)
	t.Cleanup(func() { must(t, m.ctx.Free(m.arena)) })
	m.mirror, err = m.ctx.AllocHost(arenaBytes)
	must(t, err)
	t.Cleanup(func() { must(t, m.ctx.FreeHost(m.mirror)) })
	m.args, err = m.ctx.AllocHost(maxArgs * argBytes)
	must(t, err)
	t.Cleanup(func() { must(t, m.ctx.FreeHost(m.args)) })
	return m
}

// eachType runs a check of the kernels of both types of activations.
func eachType(t *testing.T, check func(m *machine, typ kind)) {
	for _, typ := range []kind{f32, bf16} {
		t.Run(typ.String(), func(t *testing.T) { check(open(t), typ) })
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// begin starts a scene. The operands of the one before are gone.
func (m *machine) begin(format string, args ...any) {
	must(m.t, m.stream.Synchronize())
	m.scene, m.used = fmt.Sprintf(format, args...), 0
}

// fail reports an error of the scene. After twenty it ends the test.
func (m *machine) fail(format string, args ...any) {
	m.t.Helper()
	m.t.Errorf("%s: %s", m.scene, fmt.Sprintf(format, args...))
	if m.failures++; m.failures == 20 {
		m.t.FailNow()
	}
}

// uniform is n numbers from mean-width to mean+width.
func (m *machine) uniform(n int, mean, width float64) []float64 {
	v := make([]float64, n)
	for i := range v {
		v[i] = mean + width*(2*m.random.Float64()-1)
	}
	return v
}

// kind is a type of elements.
type kind int

const (
	f32 kind = iota
	bf16
	f64
	u32
	u8
)

func (k kind) String() string { return [...]string{"f32", "bf16", "f64", "u32", "u8"}[k] }
func (k kind) bytes() int     { return [...]int{4, 2, 8, 4, 1}[k] }

// widest is how many elements one access of a kernel moves at most.
func (k kind) widest() int { return 16 / k.bytes() }

// put rounds v to the kind, halves to even.
func (k kind) put(b []byte, v float64) {
	switch k {
	case f32:
		binary.NativeEndian.PutUint32(b, math.Float32bits(float32(v)))
	case bf16:
		bits := math.Float32bits(float32(v))
		if v == v {
			bits += 0x7fff + bits>>16&1
		}
		binary.NativeEndian.PutUint16(b, uint16(bits>>16))
	case f64:
		binary.NativeEndian.PutUint64(b, math.Float64bits(v))
	case u32:
		binary.NativeEndian.PutUint32(b, uint32(v))
	case u8:
		b[0] = byte(v)
	}
}

func (k kind) get(b []byte) float64 {
	switch k {
	case f32:
		return float64(math.Float32frombits(binary.NativeEndian.Uint32(b)))
	case bf16:
		return float64(math.Float32frombits(uint32(binary.NativeEndian.Uint16(b)) << 16))
	case f64:
		return math.Float64frombits(binary.NativeEndian.Uint64(b))
	case u32:
		return float64(binary.NativeEndian.Uint32(b))
	default:
		return float64(b[0])
	}
}

// operand is elements in device memory between guards. Its values v are those that the host has last written or read.
type operand struct {
	m     *machine
	kind  kind
	shift int
	begin int // in the arena, shift elements after an address that 16 divides
	v     []float64
}

// empty is n elements that nobody has written.
func (m *machine) empty(k kind, n, shift int) *operand {
	m.t.Helper()
	o := m.reserve(k, n, shift)
	o.decode()
	o.upload()
	return o
}

// of is an operand of values, rounded to the kind.
func (m *machine) of(k kind, shift int, values []float64) *operand {
	m.t.Helper()
	o := m.reserve(k, len(values), shift)
	for i, v := range values {
		k.put(m.mirror[o.begin+i*k.bytes():], v)
	}
	o.decode()
	o.upload()
	return o
}

// uniformOf is an operand of n numbers from mean-width to mean+width.
func (m *machine) uniformOf(k kind, n, shift int, mean, width float64) *operand {
	m.t.Helper()
	return m.of(k, shift, m.uniform(n, mean, width))
}

// symmetric is an operand of n numbers from -1 to 1.
func (m *machine) symmetric(k kind, n, shift int) *operand {
	m.t.Helper()
	return m.uniformOf(k, n, shift, 0, 1)
}

func (o *operand) copy() *operand { return o.m.of(o.kind, o.shift, o.v) }

func (m *machine) reserve(k kind, n, shift int) *operand {
	m.t.Helper()
	o := &operand{m: m, kind: k, shift: shift, begin: m.used + guardBytes + shift*k.bytes(), v: make([]float64, n)}
	m.used = (o.end() + guardBytes + 15) &^ 15
	if m.used > arenaBytes {
		m.t.Fatalf("%s: its operands take more than %d bytes", m.scene, arenaBytes)
	}
	all := m.mirror[o.begin-guardBytes : o.end()+guardBytes]
	for i := range all {
		all[i] = unwritten
	}
	return o
}

func (o *operand) end() int         { return o.begin + len(o.v)*o.kind.bytes() }
func (o *operand) address() uintptr { return o.m.arena + uintptr(o.begin) }

// raw is what decode reads.
func (o *operand) raw() []byte { return o.m.mirror[o.begin:o.end()] }

func (o *operand) decode() {
	for i := range o.v {
		o.v[i] = o.kind.get(o.raw()[i*o.kind.bytes():])
	}
}

func (o *operand) upload() {
	o.m.t.Helper()
	from := o.begin - guardBytes
	must(o.m.t, o.m.stream.CopyToDevice(o.m.arena+uintptr(from), unsafe.Pointer(&o.m.mirror[from]), int64(o.end()+guardBytes-from)))
}

// read fetches the values, after all work so far, and looks whether anything beside them was written.
func (o *operand) read(what string) []float64 {
	m := o.m
	m.t.Helper()
	from, to := o.begin-guardBytes, o.end()+guardBytes
	must(m.t, m.stream.CopyToHost(unsafe.Pointer(&m.mirror[from]), m.arena+uintptr(from), int64(to-from)))
	must(m.t, m.stream.Synchronize())
	written := func(b byte) bool { return b != unwritten }
	if slices.ContainsFunc(m.mirror[from:o.begin], written) || slices.ContainsFunc(m.mirror[o.end():to], written) {
		m.fail("%s was written outside its bounds", what)
	}
	o.decode()
	return o.v
}

// shape is that of a launch: blocks on two axes, and threads a block.
type shape struct{ x, y, threads int }

// grids are the shapes with which most kernels are checked.
var grids = []shape{{1, 1, 32}, {3, 1, 96}}

// structure is a struct of ints that a kernel takes by value.
type structure []int32

// launch queues a kernel. An int goes for every type of integers: a kernel reads the low bytes. A nil is a null pointer.
func (m *machine) launch(s shape, name string, args ...any) {
	m.t.Helper()
	f, err := m.module.Function(name)
	must(m.t, err)
	pointers := make([]unsafe.Pointer, len(args))
	for i, a := range args {
		slot := m.args[i*argBytes : (i+1)*argBytes]
		pointers[i] = unsafe.Pointer(&slot[0])
		integer := func(v int64) { binary.NativeEndian.PutUint64(slot, uint64(v)) }
		switch a := a.(type) {
		case nil:
			integer(0)
		case *operand:
			integer(int64(a.address()))
		case int:
			integer(int64(a))
		case bool:
			integer(0)
			if a {
				integer(1)
			}
		case float32:
			binary.NativeEndian.PutUint32(slot, math.Float32bits(a))
		case structure:
			for j, v := range a {
				binary.NativeEndian.PutUint32(slot[4*j:], uint32(v))
			}
		default:
			m.t.Fatalf("an argument of type %T", a)
		}
	}
	grid, block := [3]uint32{uint32(s.x), uint32(s.y), 1}, [3]uint32{uint32(s.threads), 1, 1}
	must(m.t, m.stream.Launch(f, grid, block, 0, pointers))
}

// when is an argument that is null unless the condition holds.
func when(condition bool, o *operand) any {
	if condition {
		return o
	}
	return nil
}

const usualTolerance = 2e-6

// compare is compareWithin of the usual tolerance, of values of about 1.
func (m *machine) compare(what string, got *operand, want []float64) {
	m.t.Helper()
	m.compareWithin(what, got, want, usualTolerance, 1)
}

// compareWithin reads an operand. It allows tolerance relative to the larger of |want| and usual, and for a bfloat16 half a unit in
// the last place more. NaN equals NaN alone.
func (m *machine) compareWithin(what string, got *operand, want []float64, tolerance, usual float64) {
	m.t.Helper()
	for i, g := range got.read(what) {
		w := want[i]
		bound := tolerance * max(math.Abs(w), usual)
		if got.kind == bf16 {
			bound += math.Abs(w) / 256
		}
		if !(math.Abs(g-w) <= bound) && !(g != g && w != w) {
			m.fail("%s[%d] = %.9g, want %.9g", what, i, g, w)
			return
		}
	}
}

// same reads two operands, which must have the same bits.
func (m *machine) same(what string, got, want *operand) {
	m.t.Helper()
	got.read(what)
	want.read(what)
	if !bytes.Equal(got.raw(), want.raw()) {
		m.fail("%s differs", what)
	}
}

// gathers checks a gradient with and without accumulation and mask. want is the plain one; run queues the kernel.
func (m *machine) gathers(what string, typ kind, want []float64, shift int, usual float64, run func(dx *operand, mask any, accumulate bool)) {
	m.t.Helper()
	for _, accumulate := range []bool{false, true} {
		for _, masked := range []bool{false, true} {
			dx, mask := m.symmetric(typ, len(want), shift), m.symmetric(typ, len(want), 0)
			expected := slices.Clone(want)
			for i := range expected {
				if accumulate {
					expected[i] += dx.v[i]
				}
				if masked && !(mask.v[i] > 0) {
					expected[i] = 0
				}
			}
			run(dx, when(masked, mask), accumulate)
			m.compareWithin(fmt.Sprintf("%s, accumulate %t, mask %t", what, accumulate, masked), dx, expected, usualTolerance, usual)
		}
	}
}

func relu(v float64) float64 {
	if v < 0 {
		return 0
	}
	return v
}
