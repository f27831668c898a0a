package checkpoint

import (
	"errors"
	"math"
)

// Tensor is a named array in row-major order.
type Tensor struct {
	Name  string
	Shape []int
	Data  []float32
	// Ints are the elements of a tensor of integers; it is nil for all others, and Data is nil where it is not.
	Ints []int64
}

// Len is the number of elements that are there.
func (t Tensor) Len() int { return len(t.Data) + len(t.Ints) }

// Meta is what a checkpoint says about its origin. Files of other programs leave it zero, but for Model and Extra.
type Meta struct {
	// Foreign says that ringloom has not written this. Then Model is what another program calls the network, if anything: a hint, which
	// nothing is held against.
	Foreign      bool
	Model        string
	Epoch, Step  int
	TestAccuracy float64
	// Extra are further entries of the file's metadata. Their keys are not those of the fields above
	// ("model", "epoch", "step", "test_accuracy"), nor "format" and those of the sums ("ringloom.sha256", "ringloom.description_sha256").
	Extra map[string]string
}

var (
	// ErrFormat is wrapped when a file is not a valid safetensors file, or has tensors of an unsupported type.
	ErrFormat = errors.New("not a valid checkpoint")
	// ErrDamaged is wrapped when a file does not hold what was written.
	ErrDamaged = errors.New("damaged checkpoint")
	// ErrMismatch is wrapped when a valid file does not fit the model.
	ErrMismatch = errors.New("checkpoint does not fit the model")
)

// maxHeaderBytes bounds what a damaged length can make the reader allocate; the format's own limit is 100 MB.
const maxHeaderBytes = 100_000_000

// lengthBytes are before the header: its length.
const lengthBytes = 8

// blockBytes is how much data is converted at a time.
const blockBytes = 64 << 10

// metadataKey is the one name in the header that is not a tensor's.
const metadataKey = "__metadata__"

// The keys of Meta's fields in the file. format is what Hugging Face's readers look for; "pt" says PyTorch's layout.
const (
	keyFormat   = "format"
	keyModel    = "model"
	keyEpoch    = "epoch"
	keyStep     = "step"
	keyAccuracy = "test_accuracy"
)

// entry is a tensor's place in the file, as the format spells it.
type entry struct {
	DType   string  `json:"dtype"`
	Shape   []int   `json:"shape"`
	Offsets []int64 `json:"data_offsets"`
}

// elements is the number of elements of a shape; ok is false where it is negative or beyond what the reader takes.
func elements(shape []int) (n int64, ok bool) {
	n = 1
	for _, d := range shape {
		if d < 0 || (d > 0 && n > math.MaxInt32/int64(d)) {
			return 0, false
		}
		n *= int64(d)
	}
	return n, true
}
