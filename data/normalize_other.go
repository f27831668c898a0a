//go:build !amd64

package data

const fastNormalize = false

func normalizeAVX2(dst *float32, src *byte, n int) { panic("no kernel") }
