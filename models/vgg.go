package models

import "ringloom/nn"

func init() {
	const paper = "(Simonyan and Zisserman, Very deep convolutional networks, 2014)"
	for _, side := range []int{224, 96} {
		suffix := ""
		if side != 224 {
			suffix = "-96"
		}
		register(Spec{
			Name: "vgg11" + suffix, InputSide: side,
			About: "VGG-11 " + paper,
			Build: vgg(4096, 64, 128, 256, 512, 512),
		})
		register(Spec{
			Name: "vgg-tiny" + suffix, InputSide: side,
			About: "VGG-11 with a sixteenth of the channels",
			Build: vgg(256, 4, 8, 16, 32, 32),
		})
	}
}

// vgg is VGG-11 with the given width of its hidden layers and channels of its five blocks: one convolution in each of
// the first two, two in the others.
func vgg(hidden int, channels ...int) nn.BuildFunc {
	return func(b *nn.Builder, x *nn.Tensor) *nn.Tensor {
		for i, c := range channels {
			convolutions := 1
			if i >= 2 {
				convolutions = 2
			}
			x = b.Sequential(x, func(x *nn.Tensor) *nn.Tensor {
				for range convolutions {
					x = b.ReLU(b.Conv2D(x, c, 3, nn.Pad(1)))
				}
				return b.MaxPool(x, 2)
			})
		}
		x = b.Dropout(b.ReLU(b.Linear(x, hidden)), 0.5)
		x = b.Dropout(b.ReLU(b.Linear(x, hidden)), 0.5)
		return b.Linear(x, classes)
	}
}
