//go:build gpu && cgo

package libs

import (
	"path/filepath"
	"strings"
)

// siblings lists the companions that must be loaded before or after a library that lies in a folder which the loader
// does not search. The libraries ask the loader for their companions by name (soname), and it gives them what is
// already loaded under that name; so ours win over a copy of another version elsewhere, too. Files that do not exist
// are left out.
//
//   - libcublas needs libcublasLt;
//   - libnvrtc opens libnvrtc-builtins at the first compilation;
//   - libcudnn opens its parts at the first convolution. Those of cuDNN 9 find each other (their run path is $ORIGIN),
//     those of cuDNN 8 do not.
//
// cuDNN itself also opens libcublas and libnvrtc by name, which is why Load loads those two first.
func siblings(path string) (before, after []string) {
	folder, file := filepath.Split(path)
	if folder == "" {
		return nil, nil
	}
	existing := func(patterns ...string) (found []string) {
		for _, p := range patterns {
			matches, _ := filepath.Glob(filepath.Join(escapeGlob(folder), p))
			found = append(found, matches...)
		}
		return found
	}
	base, version, _ := strings.Cut(file, ".so")
	switch base {
	case "libcublas":
		return existing("libcublasLt.so" + version), nil
	case "libnvrtc":
		return existing("libnvrtc-builtins.so.*"), nil
	case "libcudnn":
		major, _, _ := strings.Cut(strings.TrimPrefix(version, "."), ".")
		if major != "" {
			major = "." + major
		}
		var parts []string
		for _, part := range []string{
			"graph", "ops", "cnn", "adv", "ext", "heuristic", "engines_precompiled", "engines_runtime_compiled", "engines_tensor_ir", // 9
			"ops_infer", "ops_train", "cnn_infer", "cnn_train", // 8
		} {
			parts = append(parts, "libcudnn_"+part+".so"+major)
		}
		return nil, existing(parts...)
	}
	return nil, nil
}

// escapeGlob quotes what filepath.Glob would take for a pattern.
func escapeGlob(folder string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(folder)
}
