package run

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ringloom/report"
)

func TestValidate(t *testing.T) {
	good := Default()
	good.Member.WorldSize = 2
	if err := good.Validate(); err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	for says, change := range map[string]func(*Config){
		"expect 0: say how many":                   func(c *Config) { c.Member.WorldSize = 0 },
		"join-timeout 0s":                          func(c *Config) { c.Member.JoinTimeout = 0 },
		"nats and --nats-bind exclude each other":  func(c *Config) { c.Member.NATSURL, c.Member.NATSBind = "nats://x:1", "127.0.0.1:1" },
		`bind "nowhere"`:                           func(c *Config) { c.Member.Bind = "nowhere" },
		`nats-bind "127.0.0.1:port"`:               func(c *Config) { c.Member.NATSBind = "127.0.0.1:port" },
		"the port is that of --bind":               func(c *Config) { c.Member.Advertise = "10.0.0.1:7946" },
		"ring-deadline -1s":                        func(c *Config) { c.Ring.Deadline = -time.Second },
		"chunk-bytes 6: give a multiple of 4":      func(c *Config) { c.Ring.ChunkBytes = 6 },
		"chunk-bytes 9437184: a frame is larger":   func(c *Config) { c.Ring.ChunkBytes = 9 << 20 },
		"window-bytes 262144: give at least two":   func(c *Config) { c.Ring.WindowBytes = 256 << 10 },
		"window-bytes 1099511627776: give at most": func(c *Config) { c.Ring.WindowBytes = 1 << 40 },
		"rings 65":                                      func(c *Config) { c.Ring.Rings = 65 },
		"spin 2ms":                                      func(c *Config) { c.Ring.Spin = 2 * time.Millisecond },
		"autotune has no effect with --expect 1":        func(c *Config) { c.Autotune, c.Member.WorldSize = true, 1 },
		"autotune and --powersgd exclude":               func(c *Config) { c.Autotune, c.Train.PowerSGD = true, 2 },
		"init and --resume exclude each other":          func(c *Config) { c.Init, c.Resume = "some", &Resumption{} },
		"/dev/null is no folder":                        func(c *Config) { c.RunDir = "/dev/null/run" },
		"model: unknown model":                          func(c *Config) { c.Train.Model = "resnet" },
		"sync-bn has no effect: lenet":                  func(c *Config) { c.Train.SyncBatchNorm = true },
		"threads -1":                                    func(c *Config) { c.Device.Threads = -1 },
		`deterministic-kernels "fast"`:                  func(c *Config) { c.Device.Kernels.Pin = "fast" },
		"it is a folder; name a file":                   func(c *Config) { c.Trace.File = folder },
		"there is no folder":                            func(c *Config) { c.Trace.File = filepath.Join(folder, "missing", "trace.json") },
		"trace-steps 0: keep at least one step":         func(c *Config) { c.Trace.File, c.Trace.Steps = filepath.Join(folder, "t"), 0 },
		"does not fit into the 64 MiB that it can send": func(c *Config) { c.Trace.File, c.Trace.Steps = filepath.Join(folder, "t"), 1e9 },
	} {
		c := good
		change(&c)
		if err := c.Validate(); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("want %q, got %v", says, err)
		}
		if _, err := Node(t.Context(), c, nil); !errors.As(err, new(UsageError)) {
			t.Errorf("%s: a node ends with %v", says, err)
		}
	}
}

// A default folder that cannot be made is found before any other node is bothered.
func TestTheDefaultFolderIsLookedAt(t *testing.T) {
	t.Chdir(t.TempDir())
	c := Default()
	c.Member.WorldSize = 2
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile("runs", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := c.Validate(); err == nil || !strings.Contains(err.Error(), "runs is no folder: choose another with --run-dir") {
		t.Errorf("a file is in the way: %v", err)
	}
	if _, err := os.Stat("runs/lenet"); err == nil {
		t.Error("a look has made the folder")
	}
}

// Who joins a run that is under way is given its folder, which the others write to.
func TestAJoinersFolderMayHoldTheRun(t *testing.T) {
	c := Default()
	c.RunDir = filepath.Join(t.TempDir(), "run")
	dir, err := report.CreateRunDir(c.RunDir, runConfig{})
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	c.Member.WorldSize, c.Member.Elastic.On = 2, true
	if err := c.Validate(); !errors.As(err, new(*report.InUseError)) {
		t.Errorf("who begins a run: %v", err)
	}
	c.Member.WorldSize, c.Member.Join = 0, []string{"127.0.0.1:1"}
	if err := c.Validate(); err != nil {
		t.Errorf("who joins it: %v", err)
	}
	c.Resume, c.RunDir = &Resumption{path: "x", hash: "x", dir: c.RunDir}, ""
	if err := c.Validate(); err != nil {
		t.Errorf("who joins one that goes on: %v", err)
	}
}

func TestSettingsNameThemselves(t *testing.T) {
	err := error(UsageError{settingError("device", " %s: %w", "cpu", errors.ErrUnsupported)})
	var setting *SettingError
	if !errors.As(err, &setting) || setting.Setting != "device" || err.Error() != "device cpu: unsupported operation" || !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("%+v", err)
	}
}
