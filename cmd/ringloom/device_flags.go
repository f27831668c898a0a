package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/pflag"

	"ringloom/run"
)

const (
	deviceHelp    = "auto, cpu (oneDNN), cuda (an NVIDIA GPU; cuda:N, cuda:GPU-... or cuda:MIG-... for that number or UUID) or purego (slow reference); auto takes the fastest that this binary and machine have"
	precisionHelp = "arithmetic: float32 (convolutions by whatever algorithm is fastest, Winograd's too), strict (float32, and only " +
		"sums as they are defined: more exact, and up to half as fast), with cuda also tf32 or bf16; default float32, with cuda tf32"
	kernelsHelp = `pin how convolutions are computed, and with it the last bits of results: direct (oneDNN's direct algorithm) or rule (by shape alone); without it the fastest is found by trying, once a machine and shape, and remembered`
)

// envEager is the variable that, set to 1, has a GPU do without CUDA graphs (cuda.Options.Eager).
const envEager = "RINGLOOM_CUDA_EAGER"

// deviceFlags say on what a command computes, and how.
type deviceFlags struct {
	device    string
	threads   int
	kernels   string
	precision string   // empty: the device's usual one
	memory    byteSize // 0: all
}

// register has so many threads as the default, 0 for all cores, with its own help.
func (f *deviceFlags) register(fl *pflag.FlagSet, threads int, threadsHelp string) {
	fl.StringVar(&f.device, "device", "auto", deviceHelp)
	fl.IntVar(&f.threads, "threads", threads, threadsHelp)
	fl.StringVar(&f.kernels, "deterministic-kernels", "", kernelsHelp)
	fl.StringVar(&f.precision, "precision", "", precisionHelp)
	fl.Var(&f.memory, "device-memory", "with cuda: most bytes of the GPU's memory to take, "+byteSizeHelp+" (0: all that is free)")
}

// config is what the flags, the launcher and the environment say.
func (f *deviceFlags) config() run.DeviceConfig {
	return run.DeviceConfig{
		Name: f.device, Threads: f.threads, Precision: f.precision, MemoryBytes: int64(f.memory), LocalRank: launched.LocalRank,
		Eager: os.Getenv(envEager) == "1", Kernels: run.Kernels{Pin: f.kernels, Dir: cacheDir(), Version: version, Say: sayBusy, Warn: sayBusy},
	}
}

// sayBusy tells what takes long, and what the user should know, where there is no log.
func sayBusy(text string) { fmt.Fprintln(standardError, "ringloom:", text) }

// check refuses what the device can never have, before anything is opened.
func (f *deviceFlags) check() error { return f.config().Validate() }

// cacheDir is the user's cache of this program, which need not be there; empty where there is no home.
func cacheDir() string {
	cache, err := os.UserCacheDir()
	if err != nil {
		return ""
	}
	return filepath.Join(cache, "ringloom")
}

// arguments are the flags as a child process takes them.
func (f *deviceFlags) arguments() []string {
	return givenFlags("device", f.device, "deterministic-kernels", f.kernels, "precision", f.precision, "device-memory", f.memory.String())
}

// givenFlags are flags, each a name and its value, without those that have no value: an empty one is a mistake.
func givenFlags(pairs ...string) (args []string) {
	for i := 0; i < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			args = append(args, "--"+pairs[i]+"="+pairs[i+1])
		}
	}
	return args
}
