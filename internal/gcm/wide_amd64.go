package gcm

import (
	"crypto/cipher"
	"crypto/subtle"
	"encoding/binary"
	"errors"
	"math/bits"

	"golang.org/x/sys/cpu"
)

// available says whether the processor has what the kernels need.
var available = cpu.X86.HasAES && cpu.X86.HasAVX512F && cpu.X86.HasAVX512BW && cpu.X86.HasAVX512DQ && cpu.X86.HasAVX512VL &&
	cpu.X86.HasAVX512VAES && cpu.X86.HasAVX512VPCLMULQDQ

const (
	blockBytes = 16
	tagBytes   = 16
	nonceBytes = 12
	groupBytes = 16 * blockBytes // what a turn of the kernel takes
)

// block128 is a block as the kernels hold it: its 16 bytes in reverse order.
type block128 [blockBytes]byte

// wide is the cipher of one key. It is never changed, so goroutines may share it.
type wide struct {
	block    cipher.Block
	standard cipher.AEAD // for messages with additional data, which nobody here has
	rounds   [15][blockBytes]byte
	// powers of the hash key, the 16th first, each times x: the product of two reflected polynomials is one bit short.
	powers [16]block128
}

// seal encrypts groups of 16 blocks, and open decrypts them; both take what is encrypted into the hash. counter and hash
// go on where they stood.
//
//go:noescape
func sealGroups(w *wide, counter, hash *block128, dst, src *byte, groups int)

//go:noescape
func openGroups(w *wide, counter, hash *block128, dst, src *byte, groups int)

// hashBlock takes one block into the hash.
//
//go:noescape
func hashBlock(power, hash *block128, block *[blockBytes]byte)

// substitute is AES's S-box on the four bytes of a word, in constant time.
func substitute(word uint32) uint32

func newWide(key []byte, block cipher.Block, standard cipher.AEAD) cipher.AEAD {
	w := &wide{block: block, standard: standard}
	w.expand(key)
	var h [blockBytes]byte
	block.Encrypt(h[:], h[:])
	hi, lo := binary.BigEndian.Uint64(h[:8]), binary.BigEndian.Uint64(h[8:])
	powerHi, powerLo := hi, lo
	for i := range w.powers {
		w.powers[len(w.powers)-1-i] = timesX(powerHi, powerLo)
		powerHi, powerLo = multiply(powerHi, powerLo, hi, lo)
	}
	return w
}

// expand makes the round keys (FIPS 197, 5.2).
func (w *wide) expand(key []byte) {
	var words [60]uint32
	for i := range 8 {
		words[i] = binary.LittleEndian.Uint32(key[4*i:])
	}
	round := uint32(1)
	for i := 8; i < len(words); i++ {
		t := words[i-1]
		switch i % 8 {
		case 0:
			t = bits.RotateLeft32(substitute(t), -8) ^ round
			round <<= 1
		case 4:
			t = substitute(t)
		}
		words[i] = words[i-8] ^ t
	}
	for i, word := range words {
		binary.LittleEndian.PutUint32(w.rounds[i/4][i%4*4:], word)
	}
}

// multiply multiplies in GCM's field (SP 800-38D, 6.3): the first bit of a block is the coefficient of 1.
func multiply(aHi, aLo, bHi, bLo uint64) (hi, lo uint64) {
	for range 128 {
		bit := aHi >> 63
		aHi, aLo = aHi<<1|aLo>>63, aLo<<1
		hi, lo = hi^-bit&bHi, lo^-bit&bLo
		carry := -(bLo & 1)
		bHi, bLo = bHi>>1^carry&(0xe1<<56), bLo>>1|bHi<<63
	}
	return hi, lo
}

// timesX doubles a reflected block, modulo the field's polynomial.
func timesX(hi, lo uint64) (b block128) {
	carry := -(hi >> 63)
	hi, lo = hi<<1|lo>>63, lo<<1
	binary.LittleEndian.PutUint64(b[:8], lo^carry&1)
	binary.LittleEndian.PutUint64(b[8:], hi^carry&(0xc2<<56))
	return b
}

func (w *wide) NonceSize() int { return nonceBytes }
func (w *wide) Overhead() int  { return tagBytes }

var errOpen = errors.New("gcm: message authentication failed")

// tooLong says whether so many bytes would use a block of the key stream twice: the counter has 32 bits, and begins with 2.
func tooLong(n uint64) bool { return n > (1<<32-2)*blockBytes }

// first is the counter block of a nonce, for the tag, and the reversed one that the message begins with.
func first(nonce []byte) (forTag [blockBytes]byte, counter block128) {
	if len(nonce) != nonceBytes {
		panic("gcm: a nonce of the wrong size")
	}
	copy(forTag[:], nonce)
	forTag[15] = 1
	for i, b := range forTag {
		counter[15-i] = b
	}
	counter[0] = 2
	return forTag, counter
}

// Seal encrypts plaintext behind dst, with a tag. Where dst has the room, and is plaintext[:0], it is done in place.
func (w *wide) Seal(dst, nonce, plaintext, additional []byte) []byte {
	if len(additional) > 0 {
		return w.standard.Seal(dst, nonce, plaintext, additional)
	}
	if tooLong(uint64(len(plaintext))) {
		panic("gcm: the message is too long for one nonce")
	}
	dst, out := extend(dst, len(plaintext)+tagBytes)
	overlap(out, plaintext)
	forTag, counter := first(nonce)
	var hash block128
	n := len(plaintext) / groupBytes * groupBytes
	if n > 0 {
		sealGroups(w, &counter, &hash, &out[0], &plaintext[0], n/groupBytes)
	}
	for n < len(plaintext) {
		size := min(blockBytes, len(plaintext)-n)
		stream := w.stream(&counter)
		var block [blockBytes]byte
		subtle.XORBytes(block[:size], plaintext[n:n+size], stream[:size])
		copy(out[n:], block[:size])
		hashBlock(&w.powers[15], &hash, &block)
		n += size
	}
	tag := w.tag(&hash, len(plaintext), forTag)
	copy(out[n:], tag[:])
	return dst
}

// Open decrypts a sealed message behind dst. Where dst has the room, and is sealed[:0], it is done in place. What does
// not bear the tag is not given out.
func (w *wide) Open(dst, nonce, sealed, additional []byte) ([]byte, error) {
	if len(additional) > 0 {
		return w.standard.Open(dst, nonce, sealed, additional)
	}
	forTag, counter := first(nonce)
	if len(sealed) < tagBytes || tooLong(uint64(len(sealed)-tagBytes)) {
		return nil, errOpen
	}
	var tag [tagBytes]byte
	copy(tag[:], sealed[len(sealed)-tagBytes:])
	sealed = sealed[:len(sealed)-tagBytes]
	dst, out := extend(dst, len(sealed))
	overlap(out, sealed)
	var hash block128
	n := len(sealed) / groupBytes * groupBytes
	if n > 0 {
		openGroups(w, &counter, &hash, &out[0], &sealed[0], n/groupBytes)
	}
	for n < len(sealed) {
		size := min(blockBytes, len(sealed)-n)
		stream := w.stream(&counter)
		var block [blockBytes]byte
		copy(block[:], sealed[n:n+size])
		hashBlock(&w.powers[15], &hash, &block)
		subtle.XORBytes(out[n:n+size], block[:size], stream[:size])
		n += size
	}
	want := w.tag(&hash, len(sealed), forTag)
	if subtle.ConstantTimeCompare(tag[:], want[:]) != 1 {
		clear(out)
		return nil, errOpen
	}
	return dst, nil
}

// stream is the next block of the key stream.
func (w *wide) stream(counter *block128) (block [blockBytes]byte) {
	for i, b := range counter {
		block[15-i] = b
	}
	w.block.Encrypt(block[:], block[:])
	binary.LittleEndian.PutUint32(counter[:], binary.LittleEndian.Uint32(counter[:])+1)
	return block
}

// tag closes the hash with the length of the message.
func (w *wide) tag(hash *block128, length int, forTag [blockBytes]byte) (tag [tagBytes]byte) {
	var lengths [blockBytes]byte
	binary.BigEndian.PutUint64(lengths[8:], 8*uint64(length))
	hashBlock(&w.powers[15], hash, &lengths)
	w.block.Encrypt(forTag[:], forTag[:])
	for i, b := range hash {
		tag[15-i] = b ^ forTag[15-i]
	}
	return tag
}

// extend makes room for n bytes behind b.
func extend(b []byte, n int) (whole, tail []byte) {
	if total := len(b) + n; cap(b) >= total {
		whole = b[:total]
	} else {
		whole = append(make([]byte, 0, total), b...)[:total]
	}
	return whole, whole[len(b):]
}
