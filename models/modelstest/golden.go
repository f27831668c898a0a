package modelstest

import (
	"embed"
	"encoding/json"
	"io/fs"
	"math"
	"os"
	"testing"

	"ringloom/internal/splitmix"
	"ringloom/nn"
)

// GoldenEnv names a folder of golden files to use instead of those kept with this package.
const GoldenEnv = "RINGLOOM_GOLDEN"

//go:embed testdata/golden
var kept embed.FS

// Golden is one training step of a model as PyTorch computed it in float64, on consecutive test images, without
// dropout.
type Golden struct {
	Model          string
	Input          [4]int // N, C, H, W
	FirstTestImage int    `json:"first_test_image"`
	Labels         []int
	Seed           uint64
	PixelsSHA256   string `json:"pixels_sha256"`
	Loss           float64
	Logits         [][]float64
	// Losses are before the first, second and third Adam step (learning rate 1e-3) on the same batch.
	Losses []float64
	Params []GoldenParam
	// BatchNormRunning are the running moments of each batch norm layer after the first forward pass.
	BatchNormRunning []GoldenMoments `json:"batchnorm_running"`
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

	grad []float64 // all of it, where no file but Generate made it
}

// GoldenMoments are the norms of a batch norm layer's running mean and running variance.
type GoldenMoments struct {
	MeanL2 float64 `json:"mean_l2"`
	VarL2  float64 `json:"var_l2"`
}

// goldenFolder is the one that GoldenEnv names, if it is set, and else this package's.
func goldenFolder(t testing.TB) fs.FS {
	t.Helper()
	if dir := os.Getenv(GoldenEnv); dir != "" {
		return os.DirFS(dir)
	}
	return keptFolder(t)
}

func keptFolder(t testing.TB) fs.FS {
	t.Helper()
	folder, err := fs.Sub(kept, "testdata/golden")
	if err != nil {
		t.Fatal(err)
	}
	return folder
}

// GoldenFiles are the names of the golden files, all *.json of the folder.
func GoldenFiles(t testing.TB) []string {
	t.Helper()
	names, err := fs.Glob(goldenFolder(t), "*.json")
	if err != nil {
		t.Fatalf("golden files: %v", err)
	}
	if len(names) == 0 {
		t.Fatalf("no golden file (*.json) in %s=%s", GoldenEnv, os.Getenv(GoldenEnv))
	}
	return names
}

// LoadGolden reads a golden file and its pixels [N, H, W], divided by 255. It skips the test where they would have to
// come from the data set and that is not here.
func LoadGolden(t testing.TB, file string) (Golden, []float32) {
	t.Helper()
	b, err := fs.ReadFile(goldenFolder(t), file)
	if err != nil {
		t.Fatalf("golden file: %v", err)
	}
	var g Golden
	if err := json.Unmarshal(b, &g); err != nil {
		t.Fatalf("golden file %s: %v", file, err)
	}
	return g, unitPixels(goldenPixels(t, g))
}

func unitPixels(raw []byte) []float32 {
	pixels := make([]float32, len(raw))
	for i, v := range raw {
		pixels[i] = float32(v) / 255
	}
	return pixels
}

// FillGolden sets the parameters to the values that the golden files start from: with u = splitmix.Unit(seed<<48 +
// p<<32 + i), element i of parameter p is u times sqrt(6/fan in) for weights and times 0.1 for biases, and 1 + 0.1u for
// batch norm's weights.
func FillGolden(params *nn.Params, seed uint64) {
	for p, param := range params.List {
		offset, scale := 0.0, 0.1
		if param.Kind == "weight" {
			if param.Layer == "BatchNorm2d" {
				offset = 1
			} else {
				scale = math.Sqrt(6 / float64(param.FanIn))
			}
		}
		values := params.Value(p).Host
		for i := range values {
			values[i] = float32(offset + scale*splitmix.Unit(seed<<48+uint64(p)<<32+uint64(i)))
		}
	}
}
