package gcm

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
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

// Test case 15 of "The Galois/Counter Mode of Operation" (McGrew and Viega, 2005), appendix B.
func TestPublishedVector(t *testing.T) {
	decode := func(s string) []byte {
		b, err := hex.DecodeString(s)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	ours, _ := both(t, decode("feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308"))
	plain := decode("d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b391aafd255")
	want := decode("522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662898015adb094dac5d93471bdec1a502270e3cc6c")
	if got := ours.Seal(nil, decode("cafebabefacedbaddecaf888"), plain, nil); !bytes.Equal(got, want) {
		t.Errorf("got %x, want %x", got, want)
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
