package data

import "golang.org/x/sys/cpu"

var fastNormalize = cpu.X86.HasAVX2

// normalizeAVX2 divides n bytes by 255, n a positive multiple of 16. The division is IEEE's, so the results are those
// of unit.
//
//go:noescape
func normalizeAVX2(dst *float32, src *byte, n int)
