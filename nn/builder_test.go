package nn_test

import (
	"errors"
	"strings"
	"testing"

	"ringloom/nn"
)

const side = 12

func TestBadModels(t *testing.T) {
	for name, c := range map[string]struct {
		build nn.BuildFunc
		want  string
	}{
		"no parameters":   {func(b *nn.Builder, x *nn.Tensor) *nn.Tensor { return b.AvgPool(x, 12) }, "no parameters"},
		"ends in images":  {func(b *nn.Builder, x *nn.Tensor) *nn.Tensor { return b.Conv2D(x, 2, 3) }, "images 1x10x10x2"},
		"pools a matrix":  {func(b *nn.Builder, x *nn.Tensor) *nn.Tensor { return b.AvgPool(b.Linear(x, 3), 1) }, "takes images"},
		"first error":     {func(b *nn.Builder, x *nn.Tensor) *nn.Tensor { return b.Linear(b.Sigmoid(b.Conv2D(x, 2, 13)), 3) }, "layer 0 (Conv2d)"},
		"negative stride": {func(b *nn.Builder, x *nn.Tensor) *nn.Tensor { return b.Linear(b.AvgPool(x, 2, nn.Stride(-1)), 3) }, "stride -1"},
	} {
		if _, err := nn.Inspect(side, c.build); !errors.Is(err, nn.ErrModel) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v does not say %q", name, err, c.want)
		}
	}
}
