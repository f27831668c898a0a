//go:build gpu && cgo

package libs

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

func environment(pairs ...string) func(string) string {
	return func(name string) string {
		for i := 0; i < len(pairs); i += 2 {
			if pairs[i] == name {
				return pairs[i+1]
			}
		}
		return ""
	}
}

var sample = library{name: "cuDNN", env: "RINGLOOM_LIBCUDNN", get: "cuDNN 8 or 9", files: []string{"libnone.so.9", "libnone.so"}}

func absent(path string) string {
	return path + ": cannot open shared object file: No such file or directory"
}

func TestSearchOrder(t *testing.T) {
	first, home := t.TempDir(), t.TempDir()
	lib64 := filepath.Join(home, "lib64")
	if err := os.Mkdir(lib64, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, f := range []string{filepath.Join(first, "libnone.so"), filepath.Join(lib64, "libnone.so.9")} {
		if err := os.WriteFile(f, nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	env := environment(pathEnv, t.TempDir()+":"+first, "CUDA_HOME", home)
	var tried []string
	got, err := sample.find(env, func(path string) string {
		tried = append(tried, path)
		if len(tried) < 4 {
			return absent(path)
		}
		return ""
	})
	want := []string{filepath.Join(first, "libnone.so"), "libnone.so.9", "libnone.so", filepath.Join(lib64, "libnone.so.9")}
	if err != nil || got != want[3] || !reflect.DeepEqual(tried, want) {
		t.Errorf("tried %q and took %q (%v), not %q", tried, got, err, want)
	}
}

// The newest file wins, in whichever of the folders it is.
func TestNewestOfAllFolders(t *testing.T) {
	old, young := t.TempDir(), t.TempDir()
	for _, f := range []string{filepath.Join(old, "libnone.so"), filepath.Join(young, "libnone.so.9")} {
		if err := os.WriteFile(f, nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := sample.find(environment(pathEnv, old+"::"+young), func(string) string { return "" })
	if want := filepath.Join(young, "libnone.so.9"); err != nil || got != want {
		t.Errorf("%s (%v), not %s", got, err, want)
	}
}

// cuDNN of one major version of CUDA beside cuBLAS of another would end the process.
func TestMajorVersionsMustMatch(t *testing.T) {
	blas := &loading{
		library: library{name: "cuBLAS", env: "RINGLOOM_LIBCUBLAS"}, loaded: Library{Path: "/b/libcublas.so.12", Version: "12.6.4"},
	}
	err := sameMajor(13, blas)
	if err == nil || !strings.Contains(err.Error(), "/b/libcublas.so.12") || !strings.Contains(err.Error(), "RINGLOOM_LIBCUBLAS") {
		t.Errorf("error %v", err)
	}
	if sameMajor(0, blas) != nil || sameMajor(12, blas) != nil {
		t.Error("a cuBLAS that fits is refused")
	}
}

func TestMissing(t *testing.T) {
	for _, c := range []struct {
		env    func(string) string
		load   func(string) string
		expect string
	}{
		{
			environment(pathEnv, "/nowhere"), absent,
			"cuDNN: cannot load any of libnone.so.9, libnone.so from /nowhere (RINGLOOM_CUDA_PATH), the loader's path, " +
				"/usr/local/cuda/lib64, /usr/lib/x86_64-linux-gnu: " + absent("libnone.so.9") +
				"; install cuDNN 8 or 9, put its folder into RINGLOOM_CUDA_PATH or its file into RINGLOOM_LIBCUDNN",
		},
		{ // A file asked for by name: nothing else is tried.
			environment("RINGLOOM_LIBCUDNN", "/nowhere/libcudnn.so.9"), absent,
			"cuDNN: cannot load /nowhere/libcudnn.so.9 (RINGLOOM_LIBCUDNN): " + absent("/nowhere/libcudnn.so.9") +
				"; install cuDNN 8 or 9, put its folder into RINGLOOM_CUDA_PATH or its file into RINGLOOM_LIBCUDNN",
		},
		{ // A file that is there but lacks something: not passed over for an older one.
			environment(), func(string) string { return absent("libneeded.so.1") },
			"cuDNN: cannot load libnone.so.9: " + absent("libneeded.so.1") +
				"; install cuDNN 8 or 9, put its folder into RINGLOOM_CUDA_PATH or its file into RINGLOOM_LIBCUDNN",
		},
	} {
		_, err := sample.find(c.env, c.load)
		var missing *LoadError
		if !errors.As(err, &missing) || err.Error() != c.expect {
			t.Errorf("got  %v\nwant %s", err, c.expect)
		}
	}
}

// The real loader, on a file that is no library and on a library that lacks the functions.
func TestLoaderErrors(t *testing.T) {
	text := filepath.Join(t.TempDir(), "libcudnn.so.9")
	if err := os.WriteFile(text, []byte("not a library"), 0o644); err != nil {
		t.Fatal(err)
	}
	for file, expect := range map[string]string{
		"/nowhere/libcudnn.so.9": "No such file or directory; install",
		text:                     "file too short; install",
		"libc.so.6":              "it has no function cudnnGetVersion; put",
	} {
		l := &loading{library: cudnn.library, resolve: cudnn.resolve, version: cudnn.version}
		err := l.open(environment("RINGLOOM_LIBCUDNN", file))
		if err == nil || !strings.Contains(err.Error(), expect) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v", file, err)
		}
	}
}

func TestSiblings(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "a[b]*") // no pattern
	if err := os.Mkdir(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, f := range []string{"libcublasLt.so.13", "libnvrtc-builtins.so.13.0",
		"libcudnn_ops.so.9", "libcudnn_graph.so.9", "libcudnn_ops_infer.so.8"} {
		if err := os.WriteFile(filepath.Join(folder, f), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for file, want := range map[string][2][]string{
		"libcublas.so.13": {{"libcublasLt.so.13"}, nil},
		"libcublas.so.12": {nil, nil},
		"libnvrtc.so.13":  {{"libnvrtc-builtins.so.13.0"}, nil},
		"libcudnn.so.9":   {nil, {"libcudnn_graph.so.9", "libcudnn_ops.so.9"}},
		"libcudnn.so.8":   {nil, {"libcudnn_ops_infer.so.8"}},
	} {
		before, after := siblings(filepath.Join(folder, file))
		for i, got := range [2][]string{before, after} {
			for k := range got {
				got[k] = filepath.Base(got[k])
			}
			if !reflect.DeepEqual(got, want[i]) {
				t.Errorf("%s: %q, not %q", file, got, want[i])
			}
		}
	}
	if before, after := siblings("libcublas.so.13"); before != nil || after != nil {
		t.Error("the loader's own path has siblings")
	}
}
