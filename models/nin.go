package models

import "ringloom/nn"

func init() {
	register(Spec{
		Name:      "nin",
		InputSide: 224,
		About:     "Network in network (Lin, Chen and Yan, 2013)",
		Build:     nin,
	})
}

func nin(b *nn.Builder, x *nn.Tensor) *nn.Tensor {
	x = b.MaxPool(ninBlock(b, x, 96, 11, nn.Stride(4)), 3, nn.Stride(2))
	x = b.MaxPool(ninBlock(b, x, 256, 5, nn.Pad(2)), 3, nn.Stride(2))
	x = b.MaxPool(ninBlock(b, x, 384, 3, nn.Pad(1)), 3, nn.Stride(2))
	x = ninBlock(b, b.Dropout(x, 0.5), classes, 3, nn.Pad(1))
	return b.Flatten(b.GlobalAvgPool(x))
}

// ninBlock is a convolution and two more with windows of one pixel.
func ninBlock(b *nn.Builder, x *nn.Tensor, channels, kernel int, options ...nn.Option) *nn.Tensor {
	return b.Sequential(x, func(x *nn.Tensor) *nn.Tensor {
		x = b.ReLU(b.Conv2D(x, channels, kernel, options...))
		x = b.ReLU(b.Conv2D(x, channels, 1))
		return b.ReLU(b.Conv2D(x, channels, 1))
	})
}
