package onednn

import "testing"

func TestAMXIsBroken(t *testing.T) {
	for _, c := range []struct {
		name              string
		leaf7, maxPalette uint32
		broken            bool
	}{
		{"no AMX", 0, 0, false},
		{"AMX with palettes", amxTile | amxInt8 | amxBF16, 1, false},
		{"AMX whose palettes are hidden", amxTile | amxInt8 | amxBF16, 0, true},
		{"one AMX bit, palettes hidden", amxTile, 0, true},
		{"other features only", ^uint32(amxTile | amxInt8 | amxBF16), 0, false},
	} {
		if got := amxIsBroken(c.leaf7, c.maxPalette); got != c.broken {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}

func TestISAName(t *testing.T) {
	for isa, want := range map[int]string{
		0x0: "no vector extensions", 0x1: "SSE4.1", 0x7: "AVX2", 0x407: "AVX2 with VNNI", 0x27: "AVX-512",
		0x67: "AVX-512", 0xe7: "AVX-512", 0x3e7: "AVX-512 with AMX",
	} {
		if got := isaName(isa); got != want {
			t.Errorf("isaName(%#x) = %q, want %q", isa, got, want)
		}
	}
}
