//go:build gpu && cgo

package kernels_test

import (
	"slices"
	"testing"
)

// Pixels of c channels each, pitch elements apart: what lies between them stays as it was.
func TestChannels(t *testing.T) {
	shapes := []struct{ pixels, c, pitch int }{
		{1, 1, 1}, {8, 1, 1}, {5, 3, 3}, {12, 6, 6}, {8, 10, 10}, {9, 10, 16}, {7, 8, 8}, {6, 16, 40}, {3, 1000, 1000},
		{40, 64, 64}, {16, 6, 8}, {8, 5, 5}, {4, 300, 304},
	}
	eachType(t, func(m *machine, typ kind) {
		for _, g := range grids {
			for _, s := range shapes {
				for _, shift := range []int{0, 1} {
					m.begin("%d pixels of %d, pitch %d, shift %d, grid %v", s.pixels, s.c, s.pitch, shift, g)
					checkBiasAct(m, typ, g, s.pixels, s.c, s.pitch, shift)
					checkCopyChannels(m, typ, g, s.pixels, s.c, s.pitch, shift)
				}
			}
		}
	})
}

func checkBiasAct(m *machine, typ kind, g shape, pixels, c, pitch, shift int) {
	x, b := m.symmetric(typ, pixels*c, shift), m.symmetric(f32, c, 0)
	for _, bias := range []bool{false, true} {
		for _, rectified := range []bool{false, true} {
			y := m.empty(typ, (pixels-1)*pitch+c, 0)
			want := slices.Clone(y.v)
			for i, v := range x.v {
				if bias {
					v += b.v[i%c]
				}
				if rectified {
					v = relu(v)
				}
				want[i/c*pitch+i%c] = v
			}
			m.launch(g, "bias_act_"+typ.String(), y, pitch, x, when(bias, b), pixels, c, rectified)
			m.compare("bias_act", y, want)
			if pitch == c {
				inPlace := x.copy()
				m.launch(g, "bias_act_"+typ.String(), inPlace, c, inPlace, when(bias, b), pixels, c, rectified)
				m.compare("bias_act in place", inPlace, want)
			}
		}
	}
}

func checkCopyChannels(m *machine, typ kind, g shape, pixels, c, pitch, shift int) {
	span := (pixels-1)*pitch + c
	x, wide := m.symmetric(typ, pixels*c, shift), m.symmetric(typ, span, shift)
	y, dense := m.empty(typ, span, 0), m.empty(typ, pixels*c, 0)
	out, in := slices.Clone(y.v), make([]float64, pixels*c)
	for i := range in {
		out[i/c*pitch+i%c] = x.v[i]
		in[i] = wide.v[i/c*pitch+i%c]
	}
	m.launch(g, "copy_channels_"+typ.String(), y, pitch, x, c, pixels, c)
	m.compareWithin("copy_channels", y, out, 0, 1)
	m.launch(g, "copy_channels_"+typ.String(), dense, c, wide, pitch, pixels, c)
	m.compareWithin("copy_channels", dense, in, 0, 1)
}
