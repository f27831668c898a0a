package main

import "testing"

func TestByteSizesAreReadBack(t *testing.T) {
	for text, want := range map[string]byteSize{
		"0": 0, "4096": 4096, "1KiB": 1024, "256 kib": 256 << 10, "64M": 64 << 20, "1.5MB": 1_500_000, "2G": 2 << 30, "12B": 12, "0.5KiB": 512,
	} {
		var got, again byteSize
		if err := got.Set(text); err != nil || got != want {
			t.Errorf("%s: %d, %v; want %d", text, got, err, want)
		}
		if err := again.Set(got.String()); err != nil || again != got {
			t.Errorf("%s is shown as %s, which reads as %d, %v", text, got, again, err)
		}
	}
	for _, text := range []string{"", "KiB", "-1", "1.5", "0.3KiB", "many", "1TiB", "NaN", "Inf", "1e30"} {
		var got byteSize
		if err := got.Set(text); err == nil {
			t.Errorf("%q is read as %d", text, got)
		}
	}
}
