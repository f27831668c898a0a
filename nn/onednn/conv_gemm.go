package onednn

import "ringloom/nn/op"

// The convolutions by matrix products (conv_gemm.h), pointwise and Winograd: every flag and pitch, any channels, stride
// 1, AVX-512.

// gemmCandidates are those that take an operation, in no order of speed.
func gemmCandidates(spec op.Spec) []algorithm {
	c, pass := convolution(spec)
	switch {
	case pass == noConvolution || c.StrideH != 1 || c.StrideW != 1:
		return nil
	case c.KernelH == 1 && c.KernelW == 1 && c.PadH == 0 && c.PadW == 0:
		return []algorithm{pointwise}
	case c.KernelH != c.KernelW:
		return nil
	}
	return winograds(c.KernelH, pass)
}

// chooseGEMM is the one of the candidates that a rule expects to beat the direct one, or direct.
func chooseGEMM(spec op.Spec, candidates []algorithm) algorithm {
	c, pass := convolution(spec)
	best, least := direct, directCost(c)
	for _, a := range candidates {
		if a == pointwise {
			return a
		}
		if !a.winograd() {
			continue
		}
		if cost := winogradCost(c, a.tile(), pass); cost < least {
			best, least = a, cost
		}
	}
	return best
}

// pass is what a convolution's operation computes.
type pass int

const (
	noConvolution pass = iota
	forward
	backwardData
	backwardWeights
)

// convolution is the geometry of a convolution's operation, and which of the three it is.
func convolution(spec op.Spec) (op.Conv, pass) {
	switch s := spec.(type) {
	case op.ConvForward:
		return s.Conv, forward
	case op.ConvBackwardData:
		return s.Conv, backwardData
	case op.ConvBackwardWeights:
		return s.Conv, backwardWeights
	}
	return op.Conv{}, noConvolution
}

// winograds are the tile sizes m of F(m x m, kernel x kernel) whose largest error stays below 1e-4 of the result's root
// mean square at 384 channels. F(6x6, 3x3) reaches 2e-4 there in the forward pass and in backward data, 4e-5 in
// backward weights.
func winograds(kernel int, p pass) []algorithm {
	switch {
	case kernel == 3 && p == backwardWeights:
		return []algorithm{winograd2, winograd3, winograd4, winograd6}
	case kernel == 3 || kernel == 5:
		return []algorithm{winograd2, winograd3, winograd4}
	}
	return nil
}

func (a algorithm) winograd() bool { return a >= winograd2 && a <= winograd6 }

// tile is m of a Winograd algorithm.
func (a algorithm) tile() int {
	switch a {
	case winograd2:
		return 2
	case winograd3:
		return 3
	case winograd4:
		return 4
	case winograd6:
		return 6
	}
	panic("onednn: " + a.String() + " has no tiles")
}

// The costs are in multiply-adds, as BenchmarkGEMMConvolutions had them on two cores of an Ice Lake server.
// Transforming one element of a tile costs as much time as elementCost of the products' multiply-adds (measured between
// 23 and 30), a transformed weight weightCost. oneDNN's direct convolution gets through its multiply-adds directSpeed
// times as fast. In backward weights, whose blocks are too large for the second-level cache, an element costs more the
// more points a tile has.
const (
	elementCost = 28
	weightCost  = 12
	directSpeed = 1.15
)

func directCost(c op.Conv) float64 {
	return float64(c.Dst.Len()) * float64(c.Src.C*c.KernelH*c.KernelW) / directSpeed
}

// winogradCost is that of F(m x m, r x r). The forward pass and backward weights have tiles on the result's image,
// backward data on the source's.
func winogradCost(c op.Conv, m int, p pass) float64 {
	image := c.Dst
	if p == backwardData {
		image = c.Src
	}
	points := float64((m + c.KernelH - 1) * (m + c.KernelW - 1))
	tiles := float64(image.N * ((image.H + m - 1) / m) * ((image.W + m - 1) / m))
	vectors := func(channels int) float64 { return float64((channels + 15) / 16 * 16) }
	in, out := vectors(c.Src.C), vectors(c.Dst.C)
	element := float64(elementCost)
	if p == backwardWeights {
		element *= points / 36
	}
	return points * (tiles*in*out + tiles*(in+out)*element + in*out*weightCost)
}
