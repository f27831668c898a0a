package models

import "ringloom/nn"

func init() {
	register(Spec{
		Name:      "lenet",
		InputSide: 28,
		About:     "LeNet-5 with sigmoids and average pooling (LeCun et al., Gradient-based learning applied to document recognition, 1998)",
		Build:     lenet,
	})
}

func lenet(b *nn.Builder, x *nn.Tensor) *nn.Tensor {
	x = b.AvgPool(b.Sigmoid(b.Conv2D(x, 6, 5, nn.Pad(2))), 2)
	x = b.AvgPool(b.Sigmoid(b.Conv2D(x, 16, 5)), 2)
	x = b.Sigmoid(b.Linear(x, 120))
	x = b.Sigmoid(b.Linear(x, 84))
	return b.Linear(x, classes)
}
