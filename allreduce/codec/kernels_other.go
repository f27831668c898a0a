//go:build !amd64

package codec

// fast is never true here: plain Go does everything.
const fast = false

func addFloatsAVX2(dst *float32, src *byte, n int)                 { panic("no kernel") }
func absMaxAVX2(src *float32, n int) uint32                        { panic("no kernel") }
func encodeBF16AVX2(dst *byte, src *float32, n int)                { panic("no kernel") }
func addBF16AVX2(dst *float32, src *byte, n int, factor float32)   { panic("no kernel") }
func copyBF16AVX2(dst *float32, src *byte, n int)                  { panic("no kernel") }
func encodeFP16AVX2(dst *byte, src *float32, n int, scale float32) { panic("no kernel") }
func addFP16AVX2(dst *float32, src *byte, n int, factor float32)   { panic("no kernel") }
func copyFP16AVX2(dst *float32, src *byte, n int, factor float32)  { panic("no kernel") }
func quantizeAVX2(dst *byte, src *float32, n int, inverse float32) { panic("no kernel") }
func addInt8AVX2(dst *float32, src *byte, n int, scale float32)    { panic("no kernel") }
func copyInt8AVX2(dst *float32, src *byte, n int, scale float32)   { panic("no kernel") }
