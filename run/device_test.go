package run

import (
	"errors"
	"strings"
	"testing"

	"ringloom/cluster"
	"ringloom/nn/acceltest"
	"ringloom/nn/cuda"
	"ringloom/nn/onednn"
	"ringloom/nn/purego"
)

func TestGPUsAreNamedByNumberByUUIDOrInTurn(t *testing.T) {
	two := func() (int, error) { return 2, nil }
	for _, c := range []struct {
		name        string
		localRank   int
		ordinal     int
		uuid, fails string
	}{
		{"cuda", -1, 0, "", ""},
		{"cuda", 0, 0, "", ""},
		{"cuda", 1, 1, "", ""},
		{"cuda", 5, 1, "", ""},
		{"cuda:3", -1, 3, "", ""},
		{"cuda:0", 1, 0, "", ""},
		{"cuda:GPU-5c4e1a2b-0000-1111-2222-333344445555", 1, 0, "GPU-5c4e1a2b-0000-1111-2222-333344445555", ""},
		{"cuda:MIG-5c4e1a2b-0000-1111-2222-333344446666", -1, 0, "MIG-5c4e1a2b-0000-1111-2222-333344446666", ""},
		{"cuda:mig-5C4E1A2B-0000-1111-2222-333344446666", -1, 0, "mig-5C4E1A2B-0000-1111-2222-333344446666", ""},
		{"cuda:5c4e1a2b-0000-1111-2222-333344445555", -1, 0, "", "cuda:MIG-..."},
		{"cuda:", -1, 0, "", "nvidia-smi -L"},
		{"cuda:-1", -1, 0, "", "nvidia-smi -L"},
		{"cuda:first", -1, 0, "", "nvidia-smi -L"},
	} {
		d := DeviceConfig{Precision: "bf16", MemoryBytes: 1 << 30, LocalRank: c.localRank}
		o, err := d.gpuOptions(c.name, two)
		if c.fails != "" {
			if err == nil || !strings.Contains(err.Error(), c.fails) {
				t.Errorf("%s: error %v does not say %q", c.name, err, c.fails)
			}
			continue
		}
		if want := (cuda.Options{Ordinal: c.ordinal, UUID: c.uuid, Precision: cuda.BF16, MemoryLimit: 1 << 30}); err != nil || o != want {
			t.Errorf("%s, local rank %d: %+v, %v; want %+v", c.name, c.localRank, o, err, want)
		}
	}
	broken := errors.New("no driver")
	if _, err := (DeviceConfig{LocalRank: 1}).gpuOptions("cuda", func() (int, error) { return 0, broken }); !errors.Is(err, broken) {
		t.Errorf("error %v", err)
	}
}

func TestFlagsOfGPUsAreRefusedElsewhere(t *testing.T) {
	for _, c := range []struct {
		config DeviceConfig
		device string
		says   string // empty: taken
	}{
		{DeviceConfig{}, "purego", ""},
		{DeviceConfig{Precision: "float32"}, "cpu", ""},
		{DeviceConfig{Precision: "strict"}, "cpu", ""},
		{DeviceConfig{Precision: "strict"}, "purego", ""},
		{DeviceConfig{Precision: "strict", Kernels: Kernels{Pin: KernelsDirect}}, "cpu", ""},
		{DeviceConfig{Precision: "tf32"}, "cpu", "precision tf32 is a GPU's"},
		{DeviceConfig{Precision: "bf16"}, "purego", "precision bf16 is a GPU's: this processor has"},
		{DeviceConfig{MemoryBytes: 1 << 30}, "cpu", "device-memory 1GiB is a GPU's"},
		{DeviceConfig{Precision: "fp8"}, "cuda", "tf32, float32, strict, bf16"},
		{DeviceConfig{Precision: "bf16", MemoryBytes: 5}, "cuda:1", ""},
		{DeviceConfig{Precision: "tf32"}, "auto", ""}, // where there is a GPU
	} {
		c.config.Name = c.device
		if err := c.config.Validate(); (err == nil) != (c.says == "") || err != nil && !strings.Contains(err.Error(), c.says) {
			t.Errorf("%+v: error %v, want %q", c.config, err, c.says)
		}
	}
}

// Without a GPU auto is what it was, but never where a flag asks for one.
func TestAutoWithoutAGPU(t *testing.T) {
	missing := cuda.Available()
	if missing == nil {
		t.Skip("SKIPPED: this machine has a GPU")
	}
	d, note, err := OpenDevice(DefaultDeviceConfig())
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if says := strings.Contains(note, "no GPU is used"); says != BuiltWithCUDA {
		t.Errorf("built with CUDA %v, and the note is %q", BuiltWithCUDA, note)
	}
	_, _, err = OpenDevice(DeviceConfig{Name: "auto", Threads: 1, Precision: "tf32", LocalRank: -1})
	if !errors.As(err, new(UsageError)) || !strings.Contains(err.Error(), "precision tf32") || !strings.Contains(err.Error(), missing.Error()) {
		t.Errorf("error %v", err)
	}
	if _, _, err = OpenDevice(DeviceConfig{Name: "cuda:0"}); !errors.As(err, new(UsageError)) || !strings.Contains(err.Error(), "device cuda:0: ") {
		t.Errorf("error %v", err)
	}
	if _, _, err = OpenDevice(DeviceConfig{Name: "cuda", Kernels: Kernels{Pin: KernelsRule}}); err == nil || !strings.Contains(err.Error(), "--deterministic-kernels rule") {
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
	if got := Hardware(gpu{device}); got != "NVIDIA H200 (GPU-1)" {
		t.Errorf("%q", got)
	}
	if got := Hardware(host); got != "" {
		t.Errorf("%q", got)
	}
	if a, b := BusyThreads(gpu{device}, 8), BusyThreads(host, 8); a != 1 || b != 8 {
		t.Errorf("%d and %d threads", a, b)
	}
	cfg := cluster.Default()
	cfg.Job, cfg.WorldSize, cfg.Device, cfg.Hardware = "test", 1, "cuda:0", Hardware(gpu{device})
	node, err := cluster.Start(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer node.Close()
	if got := node.Self(); got.Device != "cuda:0" || got.Hardware != cfg.Hardware {
		t.Errorf("the cluster is told %+v", got)
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

// A number of threads that the device does not take is a mistake of the configuration.
func TestTooManyThreads(t *testing.T) {
	if err := onednn.Available(); err != nil {
		t.Skip(err)
	}
	_, _, err := OpenDevice(DeviceConfig{Name: "cpu", Threads: 1 << 20})
	if !errors.As(err, new(UsageError)) || !strings.Contains(err.Error(), "threads") {
		t.Errorf("%v", err)
	}
}
