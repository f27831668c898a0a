package nn_test

import (
	"slices"
	"testing"

	"ringloom/nn"
)

// mixed has what lowering treats apart: branches that are joined, running moments, dropout, and a value with two readers.
func mixed(b *nn.Builder, x *nn.Tensor) *nn.Tensor {
	x = b.ReLU(b.BatchNorm(b.Conv2D(x, 3, 3)))
	x = b.Concat(b.Conv2D(x, 2, 1), b.MaxPool(x, 3, nn.Stride(1), nn.Pad(1)))
	return b.Linear(b.Dropout(x, 0.5), 4)
}

func TestListing(t *testing.T) {
	for _, c := range []struct {
		training bool
		want     []string
	}{
		{true, []string{"conv", "batchnorm.moments", "batchnorm", "relu", "conv", "maxpool", "copy", "copy", "dropout", "linear",
			"loss", "linear.dw", "linear.dx", "dropout", "copy", "copy", "maxpool.dx", "conv.dw", "conv.dx", "add", "relu.dx",
			"batchnorm.dw", "batchnorm.dx", "conv.dw"}},
		{false, []string{"conv", "batchnorm", "relu", "conv", "maxpool", "copy", "copy", "linear", "loss"}},
	} {
		l, err := nn.Lower(nn.Config{Build: mixed, Batch: 2, Side: 6, Training: c.training})
		if err != nil {
			t.Fatal(err)
		}
		var kinds []string
		var finished []int
		homes := map[nn.HomeKind]bool{}
		for _, i := range l.Instructions {
			kinds = append(kinds, i.Spec.Kind())
			finished = append(finished, i.Finishes()...)
			dst, src := i.Spec.Operands()
			for k, v := range slices.Concat(i.Dst, i.Src) {
				if want := slices.Concat(dst, src)[k].Len; v.Len != want {
					t.Errorf("%s: operand %d has %d elements, want %d", i.Spec.Kind(), k, v.Len, want)
				}
				homes[v.Root().Home.Kind] = true
			}
			if behind := slices.Contains(kinds[:len(kinds)-1], "loss"); i.Backward != behind {
				t.Errorf("%s: backward %v", i.Spec.Kind(), i.Backward)
			}
		}
		if !slices.Equal(kinds, c.want) {
			t.Errorf("training %v:\n got %v\nwant %v", c.training, kinds, c.want)
		}
		if len(l.Params) != 8 || l.Classes != 4 || l.Dropout != c.training || l.Loss.Home.Kind != nn.InStats {
			t.Errorf("training %v: %d parameters, %d classes, dropout %v, loss in %v", c.training, len(l.Params), l.Classes, l.Dropout, l.Loss.Home)
		}
		if slices.Sort(finished); c.training && !slices.Equal(finished, []int{0, 1, 2, 3, 4, 5, 6, 7}) || !c.training && finished != nil {
			t.Errorf("training %v: gradients of %v are finished", c.training, finished)
		}
		if homes[nn.InKey] != c.training || !homes[nn.InPixels] || !homes[nn.InState] || !homes[nn.InLabels] || !homes[nn.InScale] {
			t.Errorf("training %v: homes %v", c.training, homes)
		}
	}
}
