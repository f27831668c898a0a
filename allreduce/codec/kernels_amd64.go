package codec

import "golang.org/x/sys/cpu"

// fast says whether the kernels of kernels_amd64.s can run. Every processor with AVX2 has F16C too, so that flag is not
// checked.
var fast = cpu.X86.HasAVX2

// n is a multiple of 32 elements.
//
//go:noescape
func addFloatsAVX2(dst *float32, src *byte, n int)

// n is a multiple of 32. The result is the bits of a magnitude.
//
//go:noescape
func absMaxAVX2(src *float32, n int) uint32

// n is a multiple of 16 in what follows.
//
//go:noescape
func encodeBF16AVX2(dst *byte, src *float32, n int)

//go:noescape
func addBF16AVX2(dst *float32, src *byte, n int, factor float32)

//go:noescape
func copyBF16AVX2(dst *float32, src *byte, n int)

//go:noescape
func encodeFP16AVX2(dst *byte, src *float32, n int, scale float32)

//go:noescape
func addFP16AVX2(dst *float32, src *byte, n int, factor float32)

//go:noescape
func copyFP16AVX2(dst *float32, src *byte, n int, factor float32)

// n is a multiple of 32 in what follows.
//
//go:noescape
func quantizeAVX2(dst *byte, src *float32, n int, inverse float32)

//go:noescape
func addInt8AVX2(dst *float32, src *byte, n int, scale float32)

//go:noescape
func copyInt8AVX2(dst *float32, src *byte, n int, scale float32)
