//go:build gpu && cgo

package libs

import (
	"reflect"
	"testing"
)

// What is kept of cudnnFind...'s results: what succeeded, in the shape's precision, fastest first.
func TestUsable(t *testing.T) {
	const success, failed = 0, 3000
	results := []perf{
		{algo: 1, status: success, time: 3, memory: 10, determinism: 1, mathType: 0},
		{algo: 2, status: failed, time: -1},
		{algo: 3, status: success, time: 1, memory: 20, mathType: 1},
		{algo: 4, status: success, time: 0.5, mathType: 2}, // half precision
		{algo: 5, status: success, time: 2, memory: 30, determinism: 1, mathType: 3},
	}
	one := Algorithm{ID: 1, Math: 0, Milliseconds: 3, WorkspaceBytes: 10, Deterministic: true}
	three := Algorithm{ID: 3, Math: 1, Milliseconds: 1, WorkspaceBytes: 20}
	five := Algorithm{ID: 5, Math: 3, Milliseconds: 2, WorkspaceBytes: 30, Deterministic: true}
	strictOne := one
	strictOne.Math = 3
	for _, c := range []struct {
		s    ConvShape
		want []Algorithm
	}{
		{ConvShape{Type: F32, Compute: TF32}, []Algorithm{three, five, one}},
		{ConvShape{Type: BF16}, []Algorithm{three, five, one}},
		{ConvShape{Type: F32, Compute: Strict}, []Algorithm{five, strictOne}},
		{ConvShape{Type: F32, Compute: Strict, AsDefined: true}, []Algorithm{strictOne}}, // 5 is FFT in tiles
	} {
		if got := usable(results, c.s, 0); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%+v: %+v, not %+v", c.s, got, c.want)
		}
	}
}

func TestVersionText(t *testing.T) {
	for v, want := range map[int]string{8902: "8.9.2", 90600: "9.6.0", 91002: "9.10.2"} {
		if got := dnnVersionText(v); got != want {
			t.Errorf("%d is %s, not %s", v, got, want)
		}
	}
}
