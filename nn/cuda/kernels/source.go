package kernels

import (
	"embed"
	"fmt"
	"slices"
	"strings"
)

//go:embed *.cuh *.cu
var files embed.FS

// order is that of the files in Source: what a file uses comes before it.
var order = []string{
	"common.cuh", "convert.cu", "elementwise.cu", "channels.cu", "pool.cu", "sums.cu", "batchnorm.cu", "batchnorm_sums.cu",
	"loss.cu", "update.cu", "permute.cu", "pixels.cu", "samples.cu", "patches.cu",
}

// Source is one translation unit with all kernels. A compiler's messages name the files of this package.
func Source() string {
	var all strings.Builder
	for _, name := range order {
		content, err := files.ReadFile(name)
		if err != nil {
			panic(fmt.Sprintf("kernels: embedded source: %v", err)) // the list above is wrong
		}
		fmt.Fprintf(&all, "#line 1 %q\n%s", name, content)
	}
	return all.String()
}

// typed are the kernels that exist for both types, named without suffix.
var typed = []string{
	"load_pixels", "cast", "uncast", "pack_weights", "unpack_gradient", "bias_act", "column_sums",
	"relu", "relu_backward", "add", "sigmoid", "sigmoid_backward", "mask", "dropout", "copy_channels",
	"avgpool", "avgpool_backward", "maxpool", "maxpool_backward",
	"bn_moments", "bn_forward", "bn_inference", "bn_sums", "bn_backward",
	"softmax_loss", "chw_from_hwc", "hwc_from_chw", "conv_samples", "patches", "sum_patches",
}

// untyped are the kernels on floats alone.
var untyped = []string{
	"column_sums_finish", "bn_moments_finish", "bn_sums_finish", "adam", "sgd", "sum_of_squares", "sum_of_squares_finish",
}

// Names are the kernels that Source defines.
func Names() []string {
	names := slices.Clone(untyped)
	for _, name := range typed {
		names = append(names, name+"_f32", name+"_bf16")
	}
	return names
}
