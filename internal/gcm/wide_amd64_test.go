package gcm

import (
	"testing"
	"unsafe"
)

// The kernels know where in a key's cipher the round keys and powers lie.
func TestOffsetsOfTheKernels(t *testing.T) {
	var w wide
	if at := unsafe.Offsetof(w.rounds); at != 32 {
		t.Errorf("the round keys lie at %d; ROUNDS of wide_amd64.s is 32", at)
	}
	if at := unsafe.Offsetof(w.powers); at != 272 {
		t.Errorf("the powers lie at %d; POWERS of wide_amd64.s is 272", at)
	}
}

// The key stream must not come round.
func TestTheLongestMessage(t *testing.T) {
	const most = (1<<36 - 32) // bytes, SP 800-38D, 5.2.1.1: 2^39 - 256 bits
	if tooLong(most) || !tooLong(most+1) {
		t.Error("the longest message has another length than the standard's")
	}
}
