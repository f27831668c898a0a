package main

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"ringloom/cluster"
	"ringloom/nn/acceltest"
	"ringloom/nn/cuda"
	"ringloom/nn/onednn"
	"ringloom/nn/op"
	"ringloom/nn/purego"
)

func TestGPUsAreNamedByNumberByUUIDOrInTurn(t *testing.T) {
	two := func() (int, error) { return 2, nil }
	f := gpuFlags{precision: "bf16", memory: 1 << 30}
	for _, c := range []struct {
		name, localRank string
		ordinal         int
		uuid, fails     string
	}{
		{"cuda", "", 0, "", ""},
		{"cuda", "0", 0, "", ""},
		{"cuda", "1", 1, "", ""},
		{"cuda", "5", 1, "", ""},
		{"cuda:3", "", 3, "", ""},
		{"cuda:0", "1", 0, "", ""},
		{"cuda:GPU-5c4e1a2b-0000-1111-2222-333344445555", "1", 0, "GPU-5c4e1a2b-0000-1111-2222-333344445555", ""},
		{"cuda:MIG-5c4e1a2b-0000-1111-2222-333344446666", "", 0, "MIG-5c4e1a2b-0000-1111-2222-333344446666", ""},
		{"cuda:mig-5C4E1A2B-0000-1111-2222-333344446666", "", 0, "mig-5C4E1A2B-0000-1111-2222-333344446666", ""},
		{"cuda:5c4e1a2b-0000-1111-2222-333344445555", "", 0, "", "cuda:MIG-..."},
		{"cuda:", "", 0, "", "nvidia-smi -L"},
		{"cuda:-1", "", 0, "", "nvidia-smi -L"},
		{"cuda:first", "", 0, "", "nvidia-smi -L"},
	} {
		o, err := f.options(c.name, c.localRank, two)
		if c.fails != "" {
			if err == nil || !strings.Contains(err.Error(), c.fails) {
				t.Errorf("%s: error %v does not say %q", c.name, err, c.fails)
			}
			continue
		}
		if want := (cuda.Options{Ordinal: c.ordinal, UUID: c.uuid, Precision: cuda.BF16, MemoryLimit: 1 << 30}); err != nil || o != want {
			t.Errorf("%s, local rank %q: %+v, %v; want %+v", c.name, c.localRank, o, err, want)
		}
	}
	broken := errors.New("no driver")
	if _, err := f.options("cuda", "1", func() (int, error) { return 0, broken }); !errors.Is(err, broken) {
		t.Errorf("error %v", err)
	}
}

func TestFlagsOfGPUsAreRefusedElsewhere(t *testing.T) {
	for _, c := range []struct {
		flags  gpuFlags
		device string
		says   string // empty: taken
	}{
		{gpuFlags{}, "purego", ""},
		{gpuFlags{precision: "float32"}, "cpu", ""},
		{gpuFlags{precision: "tf32"}, "cpu", "--precision tf32 is a GPU's"},
		{gpuFlags{precision: "bf16"}, "purego", "--precision bf16 is a GPU's: this processor has"},
		{gpuFlags{memory: 1 << 30}, "cpu", "--device-memory 1GiB is a GPU's"},
		{gpuFlags{precision: "fp8"}, "cuda", "tf32, float32, bf16"},
		{gpuFlags{precision: "bf16", memory: 5}, "cuda:1", ""},
		{gpuFlags{precision: "tf32"}, "auto", ""}, // where there is a GPU
	} {
		if err := c.flags.check(c.device); (err == nil) != (c.says == "") || err != nil && !strings.Contains(err.Error(), c.says) {
			t.Errorf("%+v on %s: error %v, want %q", c.flags, c.device, err, c.says)
		}
	}
}

// The error of a graph that cannot be recorded names this variable.
func TestGPUWithoutGraphs(t *testing.T) {
	for value, want := range map[string]bool{"": false, "0": false, "1": true} {
		t.Setenv(envEager, value)
		o, err := gpuFlags{}.options("cuda:0", "", nil)
		if err != nil || o.Eager != want {
			t.Errorf("%s=%s: %+v, error %v", envEager, value, o, err)
		}
	}
}

// Without a GPU auto is what it was, but never where a flag asks for one.
func TestAutoWithoutAGPU(t *testing.T) {
	missing := cuda.Available()
	if missing == nil {
		t.Skip("SKIPPED: this machine has a GPU")
	}
	d, note, err := openDevice("auto", 1, "", gpuFlags{})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if says := strings.Contains(note, "no GPU is used"); says != builtWithCUDA {
		t.Errorf("built with CUDA %v, and the note is %q", builtWithCUDA, note)
	}
	_, _, err = openDevice("auto", 1, "", gpuFlags{precision: "tf32"})
	if !errors.As(err, new(usageError)) || !strings.Contains(err.Error(), "--precision tf32") || !strings.Contains(err.Error(), missing.Error()) {
		t.Errorf("error %v", err)
	}
	if _, _, err = openDevice("cuda:0", 1, "", gpuFlags{}); !errors.As(err, new(usageError)) || !strings.Contains(err.Error(), "--device cuda:0: ") {
		t.Errorf("error %v", err)
	}
	if _, _, err = openDevice("cuda", 1, kernelsRule, gpuFlags{}); err == nil || !strings.Contains(err.Error(), "--deterministic-kernels rule") {
		t.Errorf("error %v", err)
	}
}

// gpu is an accelerator with a name for people.
type gpu struct{ *acceltest.Device }

func (gpu) Hardware() string { return "NVIDIA H200 (GPU-1)" }

func TestHardwareIsAskedFor(t *testing.T) {
	device, host := acceltest.New(), purego.New()
	defer device.Close()
	defer host.Close()
	if got := hardware(gpu{device}); got != "NVIDIA H200 (GPU-1)" {
		t.Errorf("%q", got)
	}
	if got := hardware(host); got != "" {
		t.Errorf("%q", got)
	}
	if a, b := computeThreads(gpu{device}, 8), computeThreads(host, 8); a != 1 || b != 8 {
		t.Errorf("%d and %d threads", a, b)
	}
	cfg := cluster.Default()
	cfg.Job, cfg.WorldSize, cfg.Device, cfg.Hardware = "test", 1, "cuda:0", hardware(gpu{device})
	node, err := cluster.Start(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer node.Close()
	if got := node.Self(); got.Device != "cuda:0" || got.Hardware != cfg.Hardware {
		t.Errorf("the cluster is told %+v", got)
	}
}

// Evaluation on an accelerator, which resizes the images itself, keeps the same pixels and comes to the same numbers.
func TestEvaluationOnAnAccelerator(t *testing.T) {
	needData(t)
	sets, err := loadData(t.Context(), "", true)
	if err != nil {
		t.Fatal(err)
	}
	var results [2]evaluation
	for i, device := range []op.Device{purego.New(), acceltest.New()} {
		defer device.Close()
		c := &initial{}
		spec, err := c.model("vgg-tiny-96")
		if err != nil {
			t.Fatal(err)
		}
		params, err := spec.NewParams(device)
		if err != nil {
			t.Fatal(err)
		}
		if err := params.Init(3); err != nil {
			t.Fatal(err)
		}
		e := evaluation{spec: spec, device: device, params: params, n: 5, batch: 3, keep: true}
		if err := e.run(t.Context(), sets.test); err != nil {
			t.Fatal(err)
		}
		results[i] = e
	}
	a, b := results[0], results[1]
	if a.lossSum != b.lossSum || a.correct != b.correct || !slices.Equal(a.logits, b.logits) || !slices.Equal(a.pixels, b.pixels) || len(b.pixels) != 5*96*96 {
		t.Errorf("on the host %v, %d right, on the accelerator %v, %d right", a.lossSum, a.correct, b.lossSum, b.correct)
	}
}

func TestKindsOfDevicesMixWithShardsOnly(t *testing.T) {
	members := func(devices ...string) (all []cluster.Member) {
		for _, d := range devices {
			all = append(all, cluster.Member{Name: "on-" + d, Device: d})
		}
		return all
	}
	for _, same := range [][]cluster.Member{members("cpu", "cpu"), members("purego", "purego"), members("cuda:0", "cuda:1")} {
		if err := checkKinds(same, false); err != nil {
			t.Error(err)
		}
	}
	for _, mix := range [][]cluster.Member{members("cuda:0", "cuda:1", "cpu"), members("purego", "purego", "cpu")} {
		if err := checkKinds(mix, true); err != nil {
			t.Error(err)
		}
		if err := checkKinds(mix, false); err == nil || !strings.Contains(err.Error(), "on-cpu on cpu") || !strings.Contains(err.Error(), "--shard-optimizer") {
			t.Errorf("error %v", err)
		}
	}
}

// A number of threads that the device does not take is a mistake of the command line.
func TestTooManyThreads(t *testing.T) {
	if err := onednn.Available(); err != nil {
		t.Skip(err)
	}
	_, _, err := openDevice("cpu", 1<<20, "", gpuFlags{})
	if exitCode(err) != exitUsage || !strings.Contains(err.Error(), "--threads") {
		t.Errorf("exit code %d, %v", exitCode(err), err)
	}
}
