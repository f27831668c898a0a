package models

import "ringloom/nn"

func init() {
	register(Spec{
		Name:      "alexnet",
		InputSide: 224,
		About:     "AlexNet for one channel, less its local normalisation (Krizhevsky et al., ImageNet classification with deep convolutional networks, 2012)",
		Build:     func(b *nn.Builder, x *nn.Tensor) *nn.Tensor { return alexnet(b, x, 2, 2) },
	})
	register(Spec{
		Name:      "alexnet-small",
		InputSide: 224,
		About:     "AlexNet less its fourth convolution and its second fully connected layer of 4096",
		Build:     func(b *nn.Builder, x *nn.Tensor) *nn.Tensor { return alexnet(b, x, 1, 1) },
	})
}

// alexnet has so many 3x3 convolutions of 384 channels and so many fully connected layers of 4096.
func alexnet(b *nn.Builder, x *nn.Tensor, convolutions, layers int) *nn.Tensor {
	pool := func(x *nn.Tensor) *nn.Tensor { return b.MaxPool(x, 3, nn.Stride(2)) }
	x = pool(b.ReLU(b.Conv2D(x, 96, 11, nn.Stride(4))))
	x = pool(b.ReLU(b.Conv2D(x, 256, 5, nn.Pad(2))))
	for range convolutions {
		x = b.ReLU(b.Conv2D(x, 384, 3, nn.Pad(1)))
	}
	x = pool(b.ReLU(b.Conv2D(x, 256, 3, nn.Pad(1))))
	for range layers {
		x = b.Dropout(b.ReLU(b.Linear(x, 4096)), 0.5)
	}
	return b.Linear(x, classes)
}
