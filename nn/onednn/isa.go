package onednn

// CPUID leaf 7 subleaf 0, register EDX: what Intel's manual (volume 2A, CPUID) calls AMX-BF16, AMX-TILE and AMX-INT8.
const (
	amxBF16 = 1 << 22
	amxTile = 1 << 24
	amxInt8 = 1 << 25
)

// amxIsBroken reports whether AMX is advertised (leaf 7's EDX) while the tile palettes are hidden: leaf 0x1D subleaf 0
// has the highest palette in EAX, and hypervisors exist that mask the leaf to 0. oneDNN 2.6 then configures tiles from
// zeros and dies of SIGILL.
func amxIsBroken(leaf7EDX, maxPalette uint32) bool {
	return leaf7EDX&(amxBF16|amxTile|amxInt8) != 0 && maxPalette == 0
}

// dnnl_cpu_isa_t of oneDNN 2.6; each set of bits contains those of the sets that it extends. What serves
// only integers and bf16 (0x67, 0xe7) is not told apart: everything here is float32.
var isaNames = []struct {
	bits int
	name string
}{
	{0x3e7, "AVX-512 with AMX"},
	{0x27, "AVX-512"},
	{0xf, "AVX-512 (Xeon Phi)"},
	{0x407, "AVX2 with VNNI"},
	{0x7, "AVX2"},
	{0x3, "AVX"},
	{0x1, "SSE4.1"},
}

// isaName is the name of the largest known set in isa.
func isaName(isa int) string {
	for _, i := range isaNames {
		if isa&i.bits == i.bits {
			return i.name
		}
	}
	return "no vector extensions"
}
