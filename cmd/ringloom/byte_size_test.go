package main

import (
	"testing"

	"github.com/spf13/pflag"

	"ringloom/train"
)

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

func TestBucketBytesTakeUnits(t *testing.T) {
	for text, want := range map[string]int{"0": 0, "100000": 100_000, "512KiB": 512 << 10, "4MiB": 4 << 20, "2MB": 2_000_000, "8m": 8 << 20} {
		c := train.DefaultConfig()
		fl := pflag.NewFlagSet("", pflag.ContinueOnError)
		configFlags(fl, &c)
		if err := fl.Parse([]string{"--bucket-bytes", text}); err != nil || c.BucketBytes != want {
			t.Errorf("%s: %d, %v; want %d", text, c.BucketBytes, err, want)
		}
		shown := fl.Lookup("bucket-bytes").Value.String()
		if err := fl.Set("bucket-bytes", shown); err != nil || c.BucketBytes != want {
			t.Errorf("%s is shown as %s, which reads as %d, %v", text, shown, c.BucketBytes, err)
		}
	}
}
