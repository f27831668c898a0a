// Package gcm is AES-256-GCM, as crypto/cipher has it to the bit, and on processors with VAES and AVX-512 in a fraction
// of the time: standard Go takes a block with an instruction, these take four. Elsewhere it is crypto/cipher's.
//
// The nonce of a message must never be used again with the same key.
package gcm

import (
	"crypto/aes"
	"crypto/cipher"
	"fmt"
)

// KeyBytes is the size of a key.
const KeyBytes = 32

// New makes the cipher of a key. Nonces have 12 bytes, tags 16.
func New(key []byte) (cipher.AEAD, error) {
	if len(key) != KeyBytes {
		return nil, fmt.Errorf("gcm: a key of %d bytes; %d are needed", len(key), KeyBytes)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	standard, err := cipher.NewGCM(block)
	if err != nil || !available {
		return standard, err
	}
	return newWide(key, block, standard), nil
}
