package codec

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"ringloom/internal/float32le"
)

// values draws n numbers whose magnitudes spread over many powers of two.
func values(n int, seed uint64) []float32 {
	random := rand.New(rand.NewPCG(seed, uint64(n)))
	v := make([]float32, n)
	for i := range v {
		v[i] = float32(random.NormFloat64() * math.Exp2(float64(random.IntN(24)-20)))
	}
	return v
}

var lengths = []int{0, 1, 2, 15, 16, 17, 31, 32, 33, 255, 256, 257, 300, 511, 512, 1000, 4099}

// sameValues compares bits, but takes one NaN for another: which of two a sum returns depends on the order of its operands.
func sameValues(a, b []float32) bool {
	return slices.EqualFunc(a, b, func(x, y float32) bool {
		return math.Float32bits(x) == math.Float32bits(y) || x != x && y != y
	})
}

// plainly runs f without the vector kernels.
func plainly(f func()) {
	defer func(was bool) { setFast(was) }(fast)
	setFast(false)
	f()
}

func TestEncodingWhatWasDecodedChangesNothing(t *testing.T) {
	for _, f := range Formats() {
		for _, n := range lengths {
			checkIdempotent(t, f, values(n, 1))
		}
	}
}

func checkIdempotent(t *testing.T, f Format, v []float32) {
	t.Helper()
	first, second := make([]byte, f.Size(len(v))), make([]byte, f.Size(len(v)))
	f.Encode(first, v)
	decoded := make([]float32, len(v))
	f.Copy(decoded, first)
	f.Encode(second, decoded)
	if !bytes.Equal(first, second) {
		t.Fatalf("%v, %d elements: encoding what was decoded gives other bytes: %v", f, len(v), v)
	}
}

func TestKernelsAgreeWithPlainGo(t *testing.T) {
	if !fast {
		t.Skip("SKIPPED: this processor has no AVX2, so there is nothing to compare")
	}
	special := []float32{0, float32(math.Copysign(0, -1)), 1e-45, -1e-40, 1e-30, 65504, 65519, 65520, 1e30, 3.4e38, -3.4e38}
	notFinite := []float32{float32(math.NaN()), float32(math.Inf(1)), float32(math.Inf(-1))}
	for _, f := range Formats() {
		for _, n := range lengths {
			v := values(n, 2)
			inputs := [][]float32{v, append(append([]float32{}, v...), special...), append(append(append([]float32{}, notFinite...), v...), special...)}
			for _, v := range inputs {
				compareWithPlainGo(t, f, v)
			}
		}
	}
}

func compareWithPlainGo(t *testing.T, f Format, v []float32) {
	t.Helper()
	type result struct {
		bytes                          []byte
		added, taken, copied, residual []float32
		sentWithResidual               []byte
	}
	run := func() (r result) {
		r.bytes, r.sentWithResidual = make([]byte, f.Size(len(v))), make([]byte, f.Size(len(v)))
		f.Encode(r.bytes, v)
		r.added, r.taken = values(len(v), 3), values(len(v), 4)
		f.Add(r.added, r.bytes)
		f.addTimes(r.taken, r.bytes, -1)
		r.copied = make([]float32, len(v))
		f.Copy(r.copied, r.bytes)
		r.residual = values(len(v), 5)
		f.EncodeResidual(r.sentWithResidual, v, r.residual)
		return r
	}
	quick := run()
	var plain result
	plainly(func() { plain = run() })
	if !bytes.Equal(quick.bytes, plain.bytes) || !bytes.Equal(quick.sentWithResidual, plain.sentWithResidual) {
		t.Fatalf("%v, %d elements: other bytes", f, len(v))
	}
	if !sameValues(quick.added, plain.added) || !sameValues(quick.taken, plain.taken) ||
		!sameValues(quick.copied, plain.copied) || !sameValues(quick.residual, plain.residual) {
		t.Fatalf("%v, %d elements: other values", f, len(v))
	}
}

func TestErrorsStayWithinTheFormatsPrecision(t *testing.T) {
	for _, f := range Formats() {
		v := values(5000, 6)
		encoded, decoded := make([]byte, f.Size(len(v))), make([]float32, len(v))
		f.Encode(encoded, v)
		f.Copy(decoded, encoded)
		for i := range v {
			largest := 0.0
			for _, x := range v[i/blockLen*blockLen : min(len(v), (i/blockLen+1)*blockLen)] {
				largest = max(largest, math.Abs(float64(x)))
			}
			var limit float64
			switch x := math.Abs(float64(v[i])); f {
			case BF16:
				limit = x * 0x1p-8
			case FP16:
				limit = x*0x1p-11 + float64(absMax(v))*0x1p-38
			case Int8:
				limit = largest / 127 * 0.501
			}
			if got := math.Abs(float64(decoded[i]) - float64(v[i])); got > limit {
				t.Fatalf("%v: %v became %v, off by %v where %v is allowed", f, v[i], decoded[i], got, limit)
			}
		}
	}
}

// TestErrorFeedbackLosesNothing: after any number of steps, what was sent in all and what is kept back make up the input.
func TestErrorFeedbackLosesNothing(t *testing.T) {
	for _, f := range Formats() {
		const n, steps = 1000, 200
		in, sent, residual := make([]float64, n), make([]float64, n), make([]float32, n)
		encoded, decoded := make([]byte, f.Size(n)), make([]float32, n)
		for step := range steps {
			v := values(n, uint64(100+step))
			f.EncodeResidual(encoded, v, residual)
			f.Copy(decoded, encoded)
			for i := range v {
				in[i] += float64(v[i])
				sent[i] += float64(decoded[i])
			}
		}
		for i := range in {
			if got := sent[i] + float64(residual[i]); math.Abs(got-in[i]) > 1e-4*math.Max(1, math.Abs(in[i])) {
				t.Fatalf("%v: element %d sums to %v, %v was sent and %v is kept back", f, i, in[i], sent[i], residual[i])
			}
		}
	}
}

func TestNotFiniteValuesStayNotFinite(t *testing.T) {
	for _, f := range Formats() {
		for _, bad := range []float32{float32(math.NaN()), float32(math.Inf(1)), float32(math.Inf(-1))} {
			v := values(600, 7)
			v[300] = bad
			encoded, decoded := make([]byte, f.Size(len(v))), make([]float32, len(v))
			f.Encode(encoded, v)
			f.Copy(decoded, encoded)
			if finite(decoded[300]) {
				t.Errorf("%v: %v became %v", f, bad, decoded[300])
			}
			checkIdempotent(t, f, v)
		}
	}
}

func TestFitIsTheLargestThatFits(t *testing.T) {
	for _, f := range Formats() {
		for size := 4; size < 3000; size++ {
			if n := f.Fit(size); n < 0 || f.Size(n) > size && n > 0 || f.Size(n+1) <= size {
				t.Fatalf("%v: %d elements take %d bytes, %d take %d; %d bytes are there", f, n, f.Size(n), n+1, f.Size(n+1), size)
			}
		}
	}
}

func TestParseKnowsEveryName(t *testing.T) {
	for _, f := range Formats() {
		if got, err := Parse(f.String()); err != nil || got != f {
			t.Errorf("%v: %v, %v", f, got, err)
		}
	}
	if _, err := Parse("float16"); err == nil || err.Error() != `"float16": choose one of float32, bf16, fp16, int8` {
		t.Errorf("%v", err)
	}
}

func FuzzIdempotence(f *testing.F) {
	f.Add([]byte{0, 0, 128, 127, 1, 2, 3, 4})
	f.Add([]byte{255, 255, 127, 127, 0, 0, 0, 1})
	f.Add([]byte{255, 255, 255, 127, 1, 0, 0, 0})
	f.Fuzz(func(t *testing.T, raw []byte) {
		v := make([]float32, len(raw)/4)
		float32le.Get(v, raw)
		for _, format := range Formats() {
			checkIdempotent(t, format, v)
			compareWithPlainGo(t, format, v)
		}
	})
}

// BenchmarkFormats reports bytes of float32 a second, over a chunk that lies in cache.
func BenchmarkFormats(b *testing.B) {
	const n = 64 << 10
	v, sum := values(n, 1), values(n, 2)
	for _, f := range Formats() {
		encoded := make([]byte, f.Size(n))
		for name, run := range map[string]func(){
			"encode": func() { f.Encode(encoded, v) },
			"add":    func() { f.Add(sum, encoded) },
			"copy":   func() { f.Copy(sum, encoded) },
		} {
			f.Encode(encoded, v)
			b.Run(fmt.Sprintf("%v/%s", f, name), func(b *testing.B) {
				b.SetBytes(4 * n)
				for range b.N {
					run()
				}
			})
		}
	}
}
