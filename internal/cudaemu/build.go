package cudaemu

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
)

//go:embed src/*.cpp src/*.h
var sources embed.FS

// compileFlags are g++'s. The library is built on the machine where it runs.
var compileFlags = []string{"-std=c++17", "-O3", "-march=native", "-fPIC", "-fvisibility=hidden", "-Wall", "-Wextra", "-c"}

// ErrNoCompiler says that there is no g++, without which neither the emulator nor the kernels that it runs can be built.
var ErrNoCompiler = errors.New("emulator: g++ is not in the PATH")

// Build compiles the emulator's shared library into dir, or finds it there, and gives its path. Builds of the same sources by
// several processes at once are safe: each makes its own file and renames it. With dir empty the user's cache folder is used.
func Build(dir string) (lib string, err error) {
	compiler, err := exec.LookPath("g++")
	if err != nil {
		return "", ErrNoCompiler
	}
	if dir == "" {
		if dir, err = cacheDir(); err != nil {
			return "", err
		}
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	key, err := sourceKey(compiler)
	if err != nil {
		return "", err
	}
	lib = filepath.Join(dir, "libringloom-emulator-"+key+".so")
	if _, err := os.Stat(lib); err == nil {
		return lib, nil
	}
	work, err := os.MkdirTemp(dir, "build-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(work)
	units, err := unpack(work)
	if err != nil {
		return "", err
	}
	built, err := compile(compiler, work, units)
	if err != nil {
		return "", err
	}
	return lib, os.Rename(built, lib)
}

func cacheDir() (string, error) {
	base, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("emulator: no cache folder: %w", err)
	}
	return filepath.Join(base, "ringloom", "emulator"), nil
}

// sourceKey names what is built: the sources, the flags, the compiler and the processor that it builds for.
func sourceKey(compiler string) (string, error) {
	hash := sha256.New()
	err := fs.WalkDir(sources, "src", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := sources.ReadFile(path)
		fmt.Fprintf(hash, "%s %d\n%s", path, len(text), text)
		return err
	})
	if err != nil {
		return "", err
	}
	target, err := exec.Command(compiler, "-march=native", "-Q", "--help=target", "--version").Output()
	if err != nil {
		return "", fmt.Errorf("emulator: %s doesn't say what it builds for: %w", compiler, err)
	}
	fmt.Fprintf(hash, "%s\n%s", strings.Join(compileFlags, " "), target)
	return fmt.Sprintf("%x", hash.Sum(nil)[:12]), nil
}

// unpack writes the sources into work and lists those that are compiled.
func unpack(work string) (units []string, err error) {
	entries, err := sources.ReadDir("src")
	if err != nil {
		return nil, err
	}
	for _, entry := range entries {
		text, err := sources.ReadFile("src/" + entry.Name())
		if err != nil {
			return nil, err
		}
		if err := os.WriteFile(filepath.Join(work, entry.Name()), text, 0o644); err != nil {
			return nil, err
		}
		if strings.HasSuffix(entry.Name(), ".cpp") {
			units = append(units, entry.Name())
		}
	}
	return units, nil
}

// compile runs g++ once a unit, as many at a time as there are processors, and links.
func compile(compiler, work string, units []string) (built string, err error) {
	failures := make([]error, len(units))
	slots := make(chan struct{}, runtime.GOMAXPROCS(0))
	var running sync.WaitGroup
	for i, unit := range units {
		running.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			failures[i] = run(work, compiler, append(compileFlags[:len(compileFlags):len(compileFlags)], "-o", unit+".o", unit)...)
		})
	}
	running.Wait()
	if err := errors.Join(failures...); err != nil {
		return "", err
	}
	link := []string{"-shared", "-Wl,-z,defs", "-o", "emulator.so"}
	for _, unit := range units {
		link = append(link, unit+".o")
	}
	if err := run(work, compiler, append(link, "-ldl", "-lpthread")...); err != nil {
		return "", err
	}
	return filepath.Join(work, "emulator.so"), nil
}

func run(dir, program string, args ...string) error {
	var output bytes.Buffer
	command := exec.Command(program, args...)
	command.Dir, command.Stdout, command.Stderr = dir, &output, &output
	if err := command.Run(); err != nil {
		return fmt.Errorf("emulator: g++ %s: %w\n%s", strings.Join(args, " "), err, output.Bytes())
	}
	return nil
}

// Env gives the environment variables, as "NAME=value", that make a process load lib for all four of NVIDIA's libraries and
// keep compiled kernels beside it.
func Env(lib string) []string {
	return []string{
		"RINGLOOM_LIBCUDA=" + lib,
		"RINGLOOM_LIBCUDNN=" + lib,
		"RINGLOOM_LIBCUBLAS=" + lib,
		"RINGLOOM_LIBNVRTC=" + lib,
		"RINGLOOM_EMULATOR_CACHE=" + filepath.Join(filepath.Dir(lib), "kernels"),
	}
}

// Use builds the emulator and points this process to it, for good: call it before anything loads a library. Without g++ it
// skips the test and says so. In a program with cgo os.Setenv reaches C's getenv; in one without, nothing loads libraries.
func Use(t testing.TB) {
	t.Helper()
	lib, err := Build("")
	if errors.Is(err, ErrNoCompiler) {
		t.Skipf("SKIPPED, the CUDA device was NOT tested: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := setenv(lib); err != nil {
		t.Fatal(err)
	}
}

// RealGPU is the environment variable that has tests run on a real GPU.
const RealGPU = "RINGLOOM_TEST_GPU"

// SetUp is Use for a TestMain: it points this process to the emulator, unless the tests are to run on a real GPU or the
// environment names the libraries. Without g++ it says so and leaves the process as it is; tests then skip.
func SetUp() error {
	if os.Getenv(RealGPU) != "" || os.Getenv("RINGLOOM_LIBCUDA") != "" {
		return nil
	}
	lib, err := Build("")
	if errors.Is(err, ErrNoCompiler) {
		fmt.Fprintf(os.Stderr, "the CUDA device is NOT tested: %v\n", err)
		return nil
	}
	if err != nil {
		return err
	}
	return setenv(lib)
}

func setenv(lib string) error {
	for _, variable := range Env(lib) {
		name, value, _ := strings.Cut(variable, "=")
		if err := os.Setenv(name, value); err != nil {
			return err
		}
	}
	return nil
}
