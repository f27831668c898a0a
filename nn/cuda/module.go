//go:build gpu && cgo

package cuda

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"ringloom/nn/cuda/driver"
	"ringloom/nn/cuda/kernels"
	"ringloom/nn/cuda/libs"
)

// functions are the kernels of package kernels, loaded.
type functions struct {
	module *driver.Module
	byName map[string]driver.Function
}

func (f *functions) find(name string) (driver.Function, error) {
	found, ok := f.byName[name]
	if !ok {
		return found, fmt.Errorf("cuda: there is no kernel %s", name)
	}
	return found, nil
}

func (f *functions) close(keep func(error)) {
	if f.module != nil {
		keep(f.module.Unload())
	}
	*f = functions{}
}

// loadFunctions compiles the kernels for the GPU, unless the cache has them.
func loadFunctions(ctx *driver.Context) (f functions, err error) {
	image, err := compiled(ctx.Info())
	if err != nil {
		return f, err
	}
	if f.module, err = ctx.LoadModule(image); err != nil {
		return f, fmt.Errorf("loading the kernels (the driver, for CUDA %s, may be too old for NVRTC %s: RINGLOOM_LIBNVRTC names another one): %w",
			cudaVersion(ctx.Info().DriverVersion), rtcVersion(), err)
	}
	f.byName = map[string]driver.Function{}
	for _, name := range kernels.Names() {
		if f.byName[name], err = f.module.Function(name); err != nil {
			return f, fmt.Errorf("the kernel %s: %w", name, err)
		}
	}
	return f, nil
}

func cudaVersion(v int) string { return fmt.Sprintf("%d.%d", v/1000, v%1000/10) }

func rtcVersion() string {
	major, minor, err := libs.RTCVersion()
	if err != nil {
		return "of no known version"
	}
	return fmt.Sprintf("%d.%d", major, minor)
}

// architecture is what NVRTC, which knows some architectures, is to compile for a GPU: machine code, which a driver
// takes that is older than NVRTC but of the same CUDA major version, as it takes cuDNN's and cuBLAS's. It refuses such
// PTX. For a GPU that is newer than NVRTC there is nothing but PTX.
func architecture(info driver.Info, known []int) (string, error) {
	gpu := 10*info.Major + info.Minor
	virtual := 0
	for _, arch := range known {
		if arch == gpu {
			return fmt.Sprintf("sm_%d", arch), nil
		}
		if arch < gpu {
			virtual = arch
		}
	}
	if virtual == 0 {
		return "", fmt.Errorf("this NVRTC does not compile for %s, which has compute capability %d.%d: RINGLOOM_LIBNVRTC names an older one",
			info.Name, info.Major, info.Minor)
	}
	return fmt.Sprintf("compute_%d", virtual), nil
}

// compiled are the kernels for a GPU. They are kept in the user's cache, by everything that they depend on; where that
// cannot be written, they are compiled every time.
func compiled(info driver.Info) ([]byte, error) {
	major, minor, err := libs.RTCVersion()
	if err != nil {
		return nil, err
	}
	known, err := libs.RTCArchs()
	if err != nil {
		return nil, err
	}
	arch, err := architecture(info, known)
	if err != nil {
		return nil, err
	}
	options := []string{"--gpu-architecture=" + arch, "-std=c++17"}
	source := kernels.Source()
	key := sha256.Sum256(fmt.Append(nil, source, options, major, minor, libs.RTCPath()))
	dir, err := os.UserCacheDir()
	if err != nil { // a container without HOME
		dir = ""
	}
	path := filepath.Join(dir, "ringloom", fmt.Sprintf("kernels-%x", key[:12]))
	if dir != "" {
		if image, err := os.ReadFile(path); err == nil {
			return image, nil
		}
	}
	image, log, err := libs.CompileRTC(source, "ringloom.cu", options)
	if err != nil {
		return nil, fmt.Errorf("compiling the kernels for compute capability %d.%d: %w\n%s", info.Major, info.Minor, err, log)
	}
	if dir != "" {
		_ = write(path, image)
	}
	return image, nil
}

// write replaces a file, whole or not at all.
func write(path string, content []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}
