package nntest

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"testing"

	"ringloom/nn"
)

// GoldenEnv names a folder of golden files to use instead of those kept with this package.
const GoldenEnv = "RINGLOOM_GOLDEN"

//go:embed testdata/golden
var kept embed.FS

// Golden is one training step of a model as PyTorch computed it in float64, on the first test images.
type Golden struct {
	Model        string
	Input        [4]int // N, C, H, W
	Labels       []int
	Seed         uint64
	PixelsSHA256 string `json:"pixels_sha256"`
	Loss         float64
	Logits       [][]float64
	// Losses are before the first, second and third Adam step (learning rate 1e-3) on the same batch.
	Losses []float64
	Params []GoldenParam
}

// GoldenParam is what is known of one parameter: norms, and the first elements of its gradient.
type GoldenParam struct {
	Layer, Kind      string
	Shape            []int
	ValueL2          float64   `json:"value_l2"`
	GradL2           float64   `json:"grad_l2"`
	GradSum          float64   `json:"grad_sum"`
	GradHead         []float64 `json:"grad_head"`
	ValueL2AfterAdam float64   `json:"value_l2_after_adam"`
}

// LoadGolden reads a model's golden file and its pixels [N, H, W], divided by 255.
func LoadGolden(t testing.TB, model string) (Golden, []float32) {
	t.Helper()
	var g Golden
	if err := json.Unmarshal(goldenFile(t, model+".json"), &g); err != nil {
		t.Fatalf("golden file of %s: %v", model, err)
	}
	n, side := g.Input[0], g.Input[2]
	z, err := gzip.NewReader(bytes.NewReader(goldenFile(t, fmt.Sprintf("resized-%d.u8.gz", side))))
	if err != nil {
		t.Fatalf("golden pixels: %v", err)
	}
	raw, err := io.ReadAll(z)
	if err != nil {
		t.Fatalf("golden pixels: %v", err)
	}
	if len(raw) < n*side*side {
		t.Fatalf("golden pixels: %d bytes, not %d", len(raw), n*side*side)
	}
	raw = raw[:n*side*side]
	if sum := sha256.Sum256(raw); hex.EncodeToString(sum[:]) != g.PixelsSHA256 {
		t.Fatalf("golden pixels have SHA-256 %x, not %s", sum, g.PixelsSHA256)
	}
	pixels := make([]float32, len(raw))
	for i, v := range raw {
		pixels[i] = float32(v) / 255
	}
	return g, pixels
}

// goldenFile reads from the folder that GoldenEnv names, if it is set, and else from this package. The pixels of small
// images may be missing there: they are the same in every set of golden files, and checked.
func goldenFile(t testing.TB, name string) []byte {
	t.Helper()
	if dir := os.Getenv(GoldenEnv); dir != "" {
		b, err := fs.ReadFile(os.DirFS(dir), name)
		if err == nil {
			return b
		}
		if !errors.Is(err, fs.ErrNotExist) || strings.HasSuffix(name, ".json") {
			t.Fatalf("golden file (%s=%s): %v", GoldenEnv, dir, err)
		}
	}
	b, err := kept.ReadFile("testdata/golden/" + name)
	if err != nil {
		t.Fatalf("golden file: %v", err)
	}
	return b
}

// FillGolden sets the parameters to the values that the golden files start from: element i of parameter p is
// u = unit(seed<<48 + p<<32 + i), times sqrt(6/fan in) for weights and times 0.1 for biases.
func FillGolden(params *nn.Params, seed uint64) {
	for p, param := range params.List {
		scale := 0.1
		if param.Kind == "weight" {
			scale = heScale(param.FanIn)
		}
		for i := range params.Value(p).Host {
			params.Value(p).Host[i] = float32(scale * unit(seed<<48+uint64(p)<<32+uint64(i)))
		}
	}
}
