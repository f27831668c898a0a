package gcm

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
)

// random has bytes that the seed decides.
func random(n int, seed uint64) []byte {
	r := rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8), byte(seed >> 16), byte(seed >> 24)})
	b := make([]byte, n)
	_, _ = r.Read(b)
	return b
}

func both(t testing.TB, key []byte) (ours, standard cipher.AEAD) {
	t.Helper()
	ours, err := New(key)
	if err != nil {
		t.Fatal(err)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		t.Fatal(err)
	}
	if standard, err = cipher.NewGCM(block); err != nil {
		t.Fatal(err)
	}
	return ours, standard
}

// check holds one message against the standard library, both ways, in place and not.
func check(t testing.TB, key, nonce, plain []byte) {
	t.Helper()
	ours, standard := both(t, key)
	want := standard.Seal(nil, nonce, plain, nil)
	if got := ours.Seal(nil, nonce, plain, nil); !bytes.Equal(got, want) {
		t.Fatalf("%d bytes are sealed as %x, want %x", len(plain), got, want)
	}
	place := append(make([]byte, 0, len(plain)+16), plain...)
	if got := ours.Seal(place[:0], nonce, place, nil); !bytes.Equal(got, want) {
		t.Fatalf("%d bytes are sealed in place as something else", len(plain))
	}
	if got := ours.Seal([]byte("before"), nonce, plain, nil); !bytes.Equal(got, append([]byte("before"), want...)) {
		t.Fatalf("%d bytes are sealed behind others as something else", len(plain))
	}
	if got, err := ours.Open(nil, nonce, want, nil); err != nil || !bytes.Equal(got, plain) {
		t.Fatalf("%d bytes do not open: %v", len(plain), err)
	}
	place = bytes.Clone(want)
	if got, err := ours.Open(place[:0], nonce, place, nil); err != nil || !bytes.Equal(got, plain) {
		t.Fatalf("%d bytes do not open in place: %v", len(plain), err)
	}
}

func TestItIsTheStandardLibrarys(t *testing.T) {
	lengths := []int{1 << 10, 256<<10 + 64, 1<<20 - 1}
	for n := range 1100 {
		lengths = append(lengths, n)
	}
	for i, n := range lengths {
		check(t, random(KeyBytes, uint64(i)), random(12, uint64(i)+1<<20), random(n, uint64(i)+1<<21))
	}
	// Bytes that carry: all ones in keys, nonces and messages.
	ones := bytes.Repeat([]byte{0xff}, 4096)
	for _, n := range []int{0, 15, 16, 255, 256, 257, 4096} {
		check(t, ones[:KeyBytes], ones[:12], ones[:n])
	}
}

func TestPublishedVectors(t *testing.T) {
	content, err := os.ReadFile("testdata/vectors.txt")
	if err != nil {
		t.Fatal(err)
	}
	tried := 0
	for line := range strings.Lines(string(content)) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		fields := strings.Fields(line)
		var v [5][]byte // key, nonce, plaintext, additional data, sealed
		for i := range v {
			if v[i], err = hex.DecodeString(strings.TrimPrefix(fields[i], "-")); err != nil {
				t.Fatal(err)
			}
		}
		ours, _ := both(t, v[0])
		if got := ours.Seal(nil, v[1], v[2], v[3]); !bytes.Equal(got, v[4]) {
			t.Errorf("%s: got %x", line, got)
		}
		if got, err := ours.Open(nil, v[1], v[4], v[3]); err != nil || !bytes.Equal(got, v[2]) {
			t.Errorf("%s: opens as %x, %v", line, got, err)
		}
		tried++
	}
	if tried < 8 {
		t.Errorf("%d vectors", tried)
	}
}

// Wherever in memory messages lie, and whatever lies around them: the kernels read and write no more than is theirs.
func TestMessagesAnywhere(t *testing.T) {
	key, nonce := random(KeyBytes, 1), random(12, 2)
	ours, standard := both(t, key)
	for _, n := range []int{1, 16, 255, 256, 257, 511, 1000} {
		plain := random(n, uint64(n))
		want := standard.Seal(nil, nonce, plain, nil)
		for from := range 65 {
			to := (from * 7) % 65
			src, dst := bytes.Repeat([]byte{0xa5}, n+130), bytes.Repeat([]byte{0x5a}, n+160)
			copy(src[from:], plain)
			ours.Seal(dst[to:to:to+n+16], nonce, src[from:from+n], nil)
			around := slices.Concat(bytes.Repeat([]byte{0x5a}, to), want, bytes.Repeat([]byte{0x5a}, 160-16-to))
			if !bytes.Equal(dst, around) {
				t.Fatalf("%d bytes from %d to %d are sealed as something else, or beside their place", n, from, to)
			}
			opened := bytes.Repeat([]byte{0xa5}, n+130)
			if _, err := ours.Open(opened[from:from:from+n], nonce, dst[to:to+n+16], nil); err != nil || !bytes.Equal(opened, src) {
				t.Fatalf("%d bytes from %d to %d are opened as something else, or beside their place: %v", n, to, from, err)
			}
		}
	}
}

// A place that overlaps the message but does not begin with it is a mistake of the caller, as in the standard library; so is one whose tag
// lies over a message.
func TestOverlapIsRefused(t *testing.T) {
	key, nonce := random(KeyBytes, 1), random(12, 2)
	ours, standard := both(t, key)
	for name, a := range map[string]cipher.AEAD{"ours": ours, "standard": standard} {
		for what, f := range map[string]func(memory []byte){
			"the place one byte on":       func(m []byte) { a.Seal(m[1:1], nonce, m[:300], nil) },
			"the place one byte before":   func(m []byte) { a.Seal(m[:0], nonce, m[1:301], nil) },
			"the tag over the message":    func(m []byte) { a.Seal(m[:0], nonce, m[310:610], nil) },
			"what opens, one byte on":     func(m []byte) { _, _ = a.Open(m[1:1], nonce, m[:316], nil) },
			"what opens, one byte before": func(m []byte) { _, _ = a.Open(m[:0], nonce, m[1:317], nil) },
		} {
			func() {
				defer func() {
					if recover() == nil {
						t.Errorf("%s: %s is taken", name, what)
					}
				}()
				memory := make([]byte, 2000)
				f(memory)
			}()
		}
	}
}

func TestWhatIsDamagedDoesNotOpen(t *testing.T) {
	for _, n := range []int{0, 1, 40, 256, 300, 1000} {
		key, nonce := random(KeyBytes, 1), random(12, 2)
		ours, _ := both(t, key)
		sealed := ours.Seal(nil, nonce, random(n, 3), nil)
		for bit := 0; bit < 8*len(sealed); bit += 1 + n/100 {
			damaged := bytes.Clone(sealed)
			damaged[bit/8] ^= 1 << (bit % 8)
			if got, err := ours.Open(damaged[:0], nonce, damaged, nil); err == nil || got != nil {
				t.Fatalf("%d bytes with bit %d flipped open", n, bit)
			}
			if left := damaged[:n]; n > 0 && !bytes.Equal(left, make([]byte, n)) {
				t.Fatalf("%d bytes that do not open are left behind", n)
			}
		}
		for cut := range sealed {
			if _, err := ours.Open(nil, nonce, sealed[:cut], nil); err == nil {
				t.Fatalf("%d bytes cut to %d open", n, cut)
			}
		}
		nonce[0] ^= 1
		if _, err := ours.Open(nil, nonce, sealed, nil); err == nil {
			t.Fatal("it opens with another nonce")
		}
	}
}

func TestAdditionalData(t *testing.T) {
	ours, standard := both(t, random(KeyBytes, 1))
	nonce, plain, more := random(12, 2), random(700, 3), random(30, 4)
	sealed := ours.Seal(nil, nonce, plain, more)
	if got, err := standard.Open(nil, nonce, sealed, more); err != nil || !bytes.Equal(got, plain) {
		t.Error(err)
	}
	if got, err := ours.Open(nil, nonce, sealed, more); err != nil || !bytes.Equal(got, plain) {
		t.Error(err)
	}
}

func TestKeysOfAnotherSizeAreRefused(t *testing.T) {
	for _, n := range []int{0, 16, 24, 31, 33} {
		if _, err := New(make([]byte, n)); err == nil {
			t.Errorf("a key of %d bytes is taken", n)
		}
	}
}

func FuzzItIsTheStandardLibrarys(f *testing.F) {
	f.Add([]byte("key"), []byte("nonce"), []byte("message"))
	f.Add([]byte{}, []byte{}, make([]byte, 600))
	f.Fuzz(func(t *testing.T, key, nonce, plain []byte) {
		check(t, append(key, make([]byte, KeyBytes)...)[:KeyBytes], append(nonce, make([]byte, 12)...)[:12], plain)
	})
}

// BenchmarkSeal and BenchmarkOpen compare with crypto/cipher, on frames of the usual size.
func BenchmarkSeal(b *testing.B) {
	compare(b, func(a cipher.AEAD, nonce, frame, _ []byte) { a.Seal(frame[:0], nonce, frame, nil) })
}

func BenchmarkOpen(b *testing.B) {
	compare(b, func(a cipher.AEAD, nonce, frame, sealed []byte) {
		if _, err := a.Open(frame[:0], nonce, sealed, nil); err != nil {
			b.Fatal(err)
		}
	})
}

func compare(b *testing.B, f func(a cipher.AEAD, nonce, frame, sealed []byte)) {
	ours, standard := both(b, random(KeyBytes, 1))
	for name, a := range map[string]cipher.AEAD{"ours": ours, "standard": standard} {
		b.Run(fmt.Sprint(name), func(b *testing.B) {
			frame := make([]byte, 256<<10+64, 256<<10+96)
			nonce := make([]byte, 12)
			sealed := a.Seal(nil, nonce, frame, nil)
			b.SetBytes(int64(len(frame)))
			for b.Loop() {
				f(a, nonce, frame, sealed)
			}
		})
	}
}
