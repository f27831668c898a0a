package models

import "ringloom/nn"

func init() {
	for _, v := range []struct {
		name, about string
		build       googlenet
	}{
		{"googlenet", "GoogLeNet (Szegedy et al., Going deeper with convolutions, 2014)", googlenet{branches: plain}},
		{"googlenet-bn", "GoogLeNet with batch norm in the stem and after each Inception block", googlenet{branches: plain, norm: true}},
		{"googlenet-v2", "GoogLeNet with each 5x5 convolution factorised into two 3x3 (Szegedy et al., Rethinking the Inception architecture, 2015)", googlenet{branches: factorised}},
		{"googlenet-v3", "GoogLeNet with each 3x3 convolution factorised into 1x3 and 3x1 (the same paper)", googlenet{branches: asymmetric}},
		{"googlenet-res", "GoogLeNet v2 with residual Inception blocks (Szegedy et al., Inception-v4, 2016)", googlenet{branches: factorised, residual: true}},
	} {
		register(Spec{Name: v.name, InputSide: 96, About: v.about, Build: v.build.net})
	}
}

// inception is the channels of a block's four branches: 1x1; 1x1 then 3x3; 1x1 then 5x5; pooling then 1x1.
type inception struct {
	c1     int
	c2, c3 [2]int
	c4     int
}

// googlenet is a variant of the network.
type googlenet struct {
	// branches makes the second and third branch of a block.
	branches func(b *nn.Builder, x *nn.Tensor, second bool, c [2]int) *nn.Tensor
	norm     bool // batch norm in the stem and after each block
	residual bool
}

func (g googlenet) net(b *nn.Builder, x *nn.Tensor) *nn.Tensor {
	pool := func(x *nn.Tensor) *nn.Tensor { return b.MaxPool(x, 3, nn.Stride(2), nn.Pad(1)) }
	norm := func(x *nn.Tensor) *nn.Tensor {
		if g.norm {
			return b.BatchNorm(x)
		}
		return x
	}
	x = b.Sequential(x, func(x *nn.Tensor) *nn.Tensor {
		return pool(b.ReLU(norm(b.Conv2D(x, 64, 7, nn.Stride(2), nn.Pad(3)))))
	})
	x = b.Sequential(x, func(x *nn.Tensor) *nn.Tensor {
		x = norm(b.Conv2D(x, 64, 1))
		return pool(norm(b.Conv2D(x, 192, 3, nn.Pad(1))))
	})
	blocks := func(x *nn.Tensor, cs ...inception) *nn.Tensor {
		for _, c := range cs {
			x = b.Sequential(x, func(x *nn.Tensor) *nn.Tensor { return g.block(b, x, c) })
		}
		return x
	}
	x = b.Sequential(x, func(x *nn.Tensor) *nn.Tensor {
		return pool(blocks(x,
			inception{64, [2]int{96, 128}, [2]int{16, 32}, 32},
			inception{128, [2]int{128, 192}, [2]int{32, 96}, 64}))
	})
	x = b.Sequential(x, func(x *nn.Tensor) *nn.Tensor {
		return pool(blocks(x,
			inception{192, [2]int{96, 208}, [2]int{16, 48}, 64},
			inception{160, [2]int{112, 224}, [2]int{24, 64}, 64},
			inception{128, [2]int{128, 256}, [2]int{24, 64}, 64},
			inception{112, [2]int{144, 288}, [2]int{32, 64}, 64},
			inception{256, [2]int{160, 320}, [2]int{32, 128}, 128}))
	})
	x = b.Sequential(x, func(x *nn.Tensor) *nn.Tensor {
		x = blocks(x,
			inception{256, [2]int{160, 320}, [2]int{32, 128}, 128},
			inception{384, [2]int{192, 384}, [2]int{48, 128}, 128})
		return b.Flatten(b.GlobalAvgPool(x))
	})
	return b.Linear(x, classes)
}

// block is an Inception block. The modules are children of a class rather than of a Sequential, so each has a name.
func (g googlenet) block(b *nn.Builder, x *nn.Tensor, c inception) *nn.Tensor {
	y := b.Concat(
		b.ReLU(b.Named("p1_1").Conv2D(x, c.c1, 1)),
		g.branches(b, x, true, c.c2),
		g.branches(b, x, false, c.c3),
		b.ReLU(b.Named("p4_2").Conv2D(b.Named("p4_1").MaxPool(x, 3, nn.Stride(1), nn.Pad(1)), c.c4, 1)),
	)
	if g.norm {
		y = b.Named("bn").BatchNorm(y)
	}
	if !g.residual {
		return y
	}
	y = b.Named("mix_bn").BatchNorm(b.Named("mix").Conv2D(y, y.Shape.C, 1, nn.NoBias()))
	if x.Shape.C != y.Shape.C {
		x = b.Named("shortcut_bn").BatchNorm(b.Named("shortcut").Conv2D(x, y.Shape.C, 1, nn.NoBias()))
	}
	return b.ReLU(b.Add(y, x))
}

// branchNames are those of the second and third branch's convolutions, in order.
func branchNames(second bool) [5]string {
	if second {
		return [5]string{"p2_1", "p2_2", "p2_3"}
	}
	return [5]string{"p3_1", "p3_2", "p3_3", "p3_4", "p3_5"}
}

// plain is the original's: 3x3 in the second branch and 5x5 in the third.
func plain(b *nn.Builder, x *nn.Tensor, second bool, c [2]int) *nn.Tensor {
	size := 5
	if second {
		size = 3
	}
	return twoConvolutions(b, x, second, c, size)
}

// factorised has two 3x3 in place of the 5x5.
func factorised(b *nn.Builder, x *nn.Tensor, second bool, c [2]int) *nn.Tensor {
	x = twoConvolutions(b, x, second, c, 3)
	if second {
		return x
	}
	return b.ReLU(b.Named("p3_3").Conv2D(x, c[1], 3, nn.Pad(1)))
}

// twoConvolutions are one of 1x1 and one of size x size.
func twoConvolutions(b *nn.Builder, x *nn.Tensor, second bool, c [2]int, size int) *nn.Tensor {
	name := branchNames(second)
	x = b.ReLU(b.Named(name[0]).Conv2D(x, c[0], 1))
	return b.ReLU(b.Named(name[1]).Conv2D(x, c[1], size, nn.Pad(size/2)))
}

// asymmetric has pairs of 1x3 and 3x1 in place of the 3x3: one in the second branch, two in the third.
func asymmetric(b *nn.Builder, x *nn.Tensor, second bool, c [2]int) *nn.Tensor {
	name, pairs := branchNames(second), 2
	if second {
		pairs = 1
	}
	x = b.ReLU(b.Named(name[0]).Conv2D(x, c[0], 1))
	for i := range pairs {
		// Both axes are padded before the first, which leaves the second to take the rows off again.
		x = b.ReLU(b.Named(name[1+2*i]).Conv2D(x, c[1], 1, nn.KernelHW(1, 3), nn.Pad(1)))
		x = b.ReLU(b.Named(name[2+2*i]).Conv2D(x, c[1], 1, nn.KernelHW(3, 1)))
	}
	return x
}
