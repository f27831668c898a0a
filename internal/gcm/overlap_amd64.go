package gcm

import "unsafe"

// overlap refuses memory that is shared but not from its beginning: the kernels would read what they have written.
func overlap(dst, src []byte) {
	if len(dst) == 0 || len(src) == 0 {
		return
	}
	d, s := uintptr(unsafe.Pointer(&dst[0])), uintptr(unsafe.Pointer(&src[0]))
	if d != s && d < s+uintptr(len(src)) && s < d+uintptr(len(dst)) {
		panic("gcm: the message and its place overlap")
	}
}
