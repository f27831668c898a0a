//go:build onednn && cgo

package onednn

import (
	"slices"
	"testing"

	"ringloom/nn/op"
	"ringloom/nn/purego"
)

// smallChannelShapes are geometries of every kernel and split: each number of channels that has a kernel of its own,
// rows of one tile and of several, images of one strip and of several, paddings smaller and larger than the kernel,
// strides, dense results and ranges of a wider image's channels.
func smallChannelShapes() []op.Conv {
	var all []op.Conv
	kernels := [][4]int{{3, 3, 1, 1}, {1, 3, 1, 1}, {3, 1, 0, 1}, {5, 5, 2, 2}, {2, 4, 0, 1}, {7, 7, 3, 3}, {1, 1, 0, 0}, {3, 6, 2, 5}}
	for i := range 48 { // results of 1 to 48 channels
		k := kernels[i%len(kernels)]
		in := []int{1, 2, 4, 8, 3, 16, 1, 5, 17, 6, 4, 32}[i%12]
		src := op.Image{N: 1 + i%3, H: 7 + i%4, W: 7 + i*11%60, C: in}
		c := windowed(src, i+1, (i+1)+i%3*3, k[0], k[1], 1, k[2], k[3])
		c.NoBias = i%5 == 3
		all = append(all, c)
	}
	for _, channels := range [][2]int{{1, 4}, {4, 8}, {8, 4}, {8, 8}, {8, 16}, {16, 16}, {16, 32}, {1, 64}, {4, 4}, {16, 8}} {
		for _, width := range []int{6, 28, 57, 130} {
			all = append(all, windowed(op.Image{N: 2, H: 9, W: width, C: channels[0]}, channels[1], 0, 3, 3, 1, 1, 1))
		}
	}
	// Several strips to an image.
	all = append(all,
		windowed(op.Image{N: 1, H: 190, W: 200, C: 1}, 4, 0, 3, 3, 1, 1, 1),
		windowed(op.Image{N: 2, H: 100, W: 90, C: 4}, 8, 0, 3, 3, 1, 1, 1),
		windowed(op.Image{N: 1, H: 90, W: 70, C: 16}, 16, 0, 3, 3, 1, 1, 1),
		// Strides, of which backward data takes none.
		windowed(op.Image{N: 2, H: 63, W: 60, C: 1}, 96, 0, 11, 11, 4, 1, 1),
		windowed(op.Image{N: 1, H: 65, W: 66, C: 1}, 64, 70, 7, 7, 2, 3, 3),
		windowed(op.Image{N: 2, H: 31, W: 30, C: 1}, 5, 0, 3, 3, 3, 0, 0),
		windowed(op.Image{N: 2, H: 21, W: 20, C: 6}, 7, 0, 3, 3, 2, 1, 1))
	return all
}

// The convolutions of few channels against the plain Go device, with every flag, on one to three threads. Memory around
// the operands, and between the pixels of a result with a pitch, is NaN: it must neither spread nor be overwritten.
func TestConvSmallChannels(t *testing.T) {
	plain := purego.New()
	defer plain.Close()
	var devices []*Device
	for threads := 1; threads <= 3; threads++ {
		d := openLocked(t, threads)
		if d.c.avx512 == 0 {
			t.Skip("this processor has no AVX-512, which the convolutions of few channels need")
		}
		devices = append(devices, d)
	}
	for _, c := range smallChannelShapes() {
		for _, spec := range convSpecs(c) {
			if !smallChannelsFit(spec) {
				continue
			}
			dst, src := convOperands(spec)
			reference, err := plain.Compile(spec)
			if err != nil {
				t.Fatal(err)
			}
			expected := fence(dst).inside
			if err := reference.Run(expected, fence(src).inside); err != nil {
				t.Fatal(err)
			}
			var want [][]float64
			for _, b := range expected {
				want = append(want, floats64(b.Host))
			}
			for _, d := range devices {
				checkConv(t, d, spec, convSmallChannels, dst, src, want)
			}
		}
	}
}

// A result that is larger than the cache goes past it, by other instructions.
func TestConvSmallChannelsPastTheCache(t *testing.T) {
	d := openLocked(t, 2)
	if d.c.avx512 == 0 {
		t.Skip("this processor has no AVX-512, which the convolutions of few channels need")
	}
	for _, c := range []op.Conv{
		windowed(op.Image{N: 3, H: 900, W: 900, C: 1}, 4, 0, 3, 3, 1, 1, 1),
		windowed(op.Image{N: 2, H: 600, W: 601, C: 1}, 16, 0, 3, 3, 1, 1, 1),
	} {
		spec := op.ConvForward{Conv: c, ReLU: true}
		want, got := bind(t, d, spec, direct), bind(t, d, spec, convSmallChannels)
		want.run(t)
		got.run(t)
		if diff := difference(got.dst[0].Host, want.dst[0].Host); !(diff <= 1e-5) {
			t.Errorf("%v differs by %g of the largest element", spec, diff)
		}
	}
}

func TestConvSmallChannelsRepeatsItsBits(t *testing.T) {
	d := openLocked(t, 3)
	if d.c.avx512 == 0 {
		t.Skip("this processor has no AVX-512, which the convolutions of few channels need")
	}
	for _, channels := range [][2]int{{1, 4}, {4, 8}, {16, 16}} {
		k := bind(t, d, op.ConvBackwardWeights{Conv: windowed(op.Image{N: 7, H: 40, W: 41, C: channels[0]}, channels[1], 0, 3, 3, 1, 1, 1)}, convSmallChannels)
		k.run(t)
		first := slices.Clone(k.dst[0].Host)
		for range 4 {
			k.run(t)
			if !slices.Equal(first, k.dst[0].Host) {
				t.Fatalf("%v: the weights' gradient differs from run to run", k.spec)
			}
		}
	}
}

func TestSmallChannelsFaster(t *testing.T) {
	tiny := windowed(op.Image{N: 4, H: 112, W: 112, C: 4}, 8, 0, 3, 3, 1, 1, 1)
	stem := windowed(op.Image{N: 4, H: 224, W: 224, C: 1}, 64, 0, 7, 7, 2, 3, 3)
	wide := windowed(op.Image{N: 4, H: 14, W: 14, C: 64}, 64, 0, 3, 3, 1, 1, 1)
	for _, c := range []struct {
		spec op.Spec
		want bool
	}{
		{op.ConvForward{Conv: tiny}, true},
		{op.ConvBackwardData{Conv: tiny}, true},
		{op.ConvBackwardWeights{Conv: tiny}, true},
		{op.ConvForward{Conv: stem}, false},
		{op.ConvBackwardWeights{Conv: stem}, true},
		{op.ConvForward{Conv: wide}, false},
		{op.ConvBackwardData{Conv: wide}, false},
		{op.ReLUForward{Len: 3}, false},
	} {
		if got := smallChannelsFaster(c.spec); got != c.want {
			t.Errorf("%s %v: %v, want %v", c.spec.Kind(), c.spec, got, c.want)
		}
	}
}
