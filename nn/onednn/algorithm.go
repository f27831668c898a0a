package onednn

// algorithm is how an operation is computed.
type algorithm int

const (
	// direct takes every shape: oneDNN on the operands as they are, or the only kernel there is.
	direct algorithm = iota
	// blocked is oneDNN's convolution in the activation layout that it prefers, with reorders around it.
	blocked
	// flat is oneDNN's inner product on the weights as they are, with the activations reordered to them.
	flat
	// conv5x5C1 is this package's convolution of one channel to 6 (conv_5x5_c1_forward.c).
	conv5x5C1
	// conv5x5C6 is this package's convolution of 6 channels to 16 (conv_5x5_c6_forward.c).
	conv5x5C6
	// avgPool2x2 is this package's 2x2 average pooling of few channels (avgpool_2x2.c).
	avgPool2x2
	// pointwise is this package's 1x1 convolution (pointwise.c).
	pointwise
	// winograd2 to winograd6 are this package's Winograd convolutions, named by the side of a tile of results
	// (winograd_tiles.c).
	winograd2
	winograd3
	winograd4
	winograd6
	// convSmallChannels is this package's convolution of few channels (conv_small_channels_forward.c).
	convSmallChannels

	algorithms // the number of them
)

// storedNames are what Choices and SetChoices call the algorithms. Users keep them in files, and what is remembered
// decides the last bits of a run that is resumed: a name never changes, and is never given to another algorithm.
var storedNames = [algorithms]string{
	direct: "direct", blocked: "blocked", flat: "flat",
	conv5x5C1: "grey", conv5x5C6: "narrow", avgPool2x2: "halve", convSmallChannels: "few",
	pointwise: "pointwise", winograd2: "winograd2", winograd3: "winograd3", winograd4: "winograd4", winograd6: "winograd6",
}

// String is the algorithm's stored name.
func (a algorithm) String() string { return storedNames[a] }
