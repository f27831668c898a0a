//go:build gpu && cgo

package driver

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"ringloom/internal/cudaemu"
)

// fakeDevice is a driver of one device, but for its UUID.
const fakeDevice = `
	#include <string.h>
	int cuInit(unsigned flags) { return 0; }
	int cuGetErrorName(int e, const char **text) { *text = "FAKE_NAME"; return 0; }
	int cuGetErrorString(int e, const char **text) { *text = "fake text"; return 0; }
	int cuDriverGetVersion(int *version) { *version = 11030; return 0; }
	int cuDeviceGetCount(int *count) { *count = 1; return 0; }
	int cuDeviceGet(int *device, int ordinal) { *device = ordinal; return 0; }
	int cuDeviceGetName(char *name, int bytes, int device) { strcpy(name, "fake"); return 0; }
	int cuDeviceTotalMem_v2(size_t *bytes, int device) { *bytes = 1; return 0; }
	int cuDeviceGetAttribute(int *value, int attribute, int device) { *value = 8; return 0; }
	static int give(char *uuid, int first) { for (int i = 0; i < 16; i++) uuid[i] = first + i; return 0; }
`

// TestUUIDs asks drivers that have one call for UUIDs or both, on a GPU and on a MIG slice.
func TestUUIDs(t *testing.T) {
	const older = `int cuDeviceGetUuid(char *uuid, int device) { return give(uuid, 0xa0); }`
	for _, c := range []struct{ name, calls, want string }{
		{"before CUDA 11.4", older, "<nil> GPU-a0a1a2a3-a4a5-a6a7-a8a9-aaabacadaeaf"},
		{"GPU", older + "int cuDeviceGetUuid_v2(char *uuid, int device) { return give(uuid, 0xa0); }", "<nil> GPU-a0a1a2a3-a4a5-a6a7-a8a9-aaabacadaeaf"},
		{"MIG slice", older + "int cuDeviceGetUuid_v2(char *uuid, int device) { return give(uuid, 0xb0); }", "<nil> MIG-b0b1b2b3-b4b5-b6b7-b8b9-babbbcbdbebf"},
		{"newer call fails", older + "int cuDeviceGetUuid_v2(char *uuid, int device) { return 999; }", "cuDeviceGetUuid_v2: FAKE_NAME (999): fake text"},
	} {
		t.Run(c.name, func(t *testing.T) {
			lines := runChild(t, "RINGLOOM_LIBCUDA="+compileC(t, fakeDevice+c.calls, "-shared", "-fPIC"))
			if got := strings.Join(lines[1:], " "); lines[0] != "<nil>" || got != c.want {
				t.Errorf("Load: %s, then %q, want %q", lines[0], got, c.want)
			}
		})
	}
	t.Run("emulated slices", func(t *testing.T) {
		lib, err := cudaemu.Build("")
		if errors.Is(err, cudaemu.ErrNoCompiler) {
			t.Skipf("SKIPPED, emulated slices were NOT tested: %v", err)
		}
		must(t, err)
		variables := append(cudaemu.Env(lib), "RINGLOOM_EMULATOR_DEVICES=2")
		gpus := runChild(t, variables...)
		sliced := runChild(t, append(variables, "RINGLOOM_EMULATOR_MIG=1")...)
		want := slices.Clone(gpus)
		for i, line := range want {
			want[i] = strings.Replace(line, "GPU-", "MIG-", 1)
		}
		if len(gpus) != 4 || gpus[2] == gpus[3] || !strings.HasPrefix(gpus[2], "GPU-") || !slices.Equal(sliced, want) {
			t.Errorf("two GPUs are %q, two slices %q", gpus, sliced)
		}
	})
}
