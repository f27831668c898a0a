//go:build gpu && cgo

package libs

// #include "shim.h"
// #include <stdlib.h>
import "C"

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"unsafe"
)

// Library is one that was loaded.
type Library struct {
	Name    string // cuBLAS, cuDNN or NVRTC
	Path    string // as the loader found it
	Version string // as the library tells it, such as 9.6.0
}

// The three libraries. resolve fills the table of functions and returns the name of one that is missing.
var (
	nvrtc = &loading{
		library: library{name: "NVRTC", env: "RINGLOOM_LIBNVRTC", get: "CUDA 11.2 to 13",
			files: []string{"libnvrtc.so.13", "libnvrtc.so.12", "libnvrtc.so.11.2", "libnvrtc.so"}},
		resolve: func(h unsafe.Pointer) *C.char { return C.rl_resolve_nvrtc(h) },
		version: func() (string, error) {
			major, minor, err := rtcVersion()
			return fmt.Sprintf("%d.%d", major, minor), err
		},
	}
	cublas = &loading{
		library: library{name: "cuBLAS", env: "RINGLOOM_LIBCUBLAS", get: "CUDA 11 to 13",
			files: []string{"libcublas.so.13", "libcublas.so.12", "libcublas.so.11", "libcublas.so"}},
		resolve: func(h unsafe.Pointer) *C.char { return C.rl_resolve_cublas(h) },
		version: func() (string, error) {
			var v [3]C.int
			err := failure(cuBLAS, C.rl_cublas_version(&v[0]))
			return fmt.Sprintf("%d.%d.%d", v[0], v[1], v[2]), err
		},
	}
	cudnn = &loading{
		library: library{name: "cuDNN", env: "RINGLOOM_LIBCUDNN", get: "cuDNN 8 or 9",
			files: []string{"libcudnn.so.9", "libcudnn.so.8", "libcudnn.so"}},
		resolve: func(h unsafe.Pointer) *C.char { return C.rl_resolve_cudnn(h) },
		version: func() (string, error) { return dnnVersionText(dnnVersion()), nil },
	}
	// In this order: see siblings.
	all = []*loading{nvrtc, cublas, cudnn}
)

// loading loads a library once.
type loading struct {
	library
	resolve func(handle unsafe.Pointer) (missing *C.char)
	version func() (string, error)

	once   sync.Once
	done   bool // written in once, read after it
	handle unsafe.Pointer
	loaded Library
	err    error
}

// load loads the library at the first call, and returns the same error ever after.
func (l *loading) load() error {
	l.once.Do(func() {
		l.err = l.open(os.Getenv)
		l.done = l.err == nil
	})
	return l.err
}

func (l *loading) open(getenv func(string) string) error {
	path, err := l.find(getenv, func(path string) string {
		before, after := siblings(path)
		for _, s := range before {
			openFile(s) // if it fails, the library's own failure says more
		}
		h, why := openFile(path)
		if h == nil {
			return why
		}
		l.handle = h
		for _, s := range after {
			openFile(s)
		}
		return ""
	})
	if err != nil {
		return err
	}
	if missing := l.resolve(l.handle); missing != nil {
		return &LoadError{Library: l.name, Tried: path, Reason: "it has no function " + C.GoString(missing),
			Advice: fmt.Sprintf("put the file of %s into %s", l.get, l.env)}
	}
	version, err := l.version()
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	var found [4096]C.char
	C.rl_path(l.handle, &found[0], C.size_t(len(found)))
	l.loaded = Library{Name: l.name, Path: C.GoString(&found[0]), Version: version}
	return nil
}

// openFile loads a shared library, which stays loaded until the process ends.
func openFile(path string) (handle unsafe.Pointer, why string) {
	p := C.CString(path)
	defer C.free(unsafe.Pointer(p))
	var text [1024]C.char
	if handle = C.rl_open(p, &text[0], C.size_t(len(text))); handle == nil {
		return nil, C.GoString(&text[0])
	}
	return handle, ""
}

// Load loads NVRTC, cuBLAS and cuDNN; later calls return what the first one did. The error is one line: that of the
// first library that is missing, and the names of the others.
func Load() error {
	var first error
	var others []string
	for _, l := range all {
		if err := l.load(); err != nil {
			if first == nil {
				first = err
			} else {
				others = append(others, l.name)
			}
		}
	}
	if len(others) > 0 {
		return fmt.Errorf("%w (nor can %s be loaded)", first, strings.Join(others, " and "))
	}
	if first == nil {
		first = sameMajor(int(C.rl_cudnn_cuda())/1000, cublas)
	}
	return first
}

// sameMajor refuses a cuBLAS of another major version of CUDA than cuDNN's, if that says which it is made for: cuDNN
// asks the loader for the cuBLAS of its own, and ends the process where there is none.
func sameMajor(major int, blas *loading) error {
	theirs, _, _ := strings.Cut(blas.loaded.Version, ".")
	if major == 0 || theirs == strconv.Itoa(major) {
		return nil
	}
	return &LoadError{Library: cudnn.name, Tried: cudnn.loaded.Path + " beside " + blas.loaded.Path,
		Reason: fmt.Sprintf("it is made for CUDA %d, and %s is of CUDA %s", major, blas.name, theirs),
		Advice: fmt.Sprintf("put the folders of one version of CUDA first into %s, or the file into %s", pathEnv, blas.env)}
}

// Loaded returns the libraries that Load, or the first use of one of them, has loaded. Call it after those have
// returned.
func Loaded() []Library {
	var list []Library
	for _, l := range all {
		if l.done {
			list = append(list, l.loaded)
		}
	}
	return list
}
