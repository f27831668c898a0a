//go:build gpu && cgo

package libs

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// pathEnv is the variable with the folders that are searched first, separated by colons.
const pathEnv = "RINGLOOM_CUDA_PATH"

// A library says how one of the three is found.
type library struct {
	name  string
	env   string   // the variable that names its file
	files []string // usual names, newest first
	get   string   // what to install
}

// LoadError says that a library could not be loaded.
type LoadError struct {
	Library string // such as "cuDNN"
	Tried   string // names and places
	Reason  string // the loader's words
	Advice  string // what to do
}

// Error is one line.
func (e *LoadError) Error() string {
	return fmt.Sprintf("%s: cannot load %s: %s; %s", e.Library, e.Tried, e.Reason, e.Advice)
}

// A place holds candidates: paths to load, or bare names that the loader looks up.
type place struct {
	name  string // as an error names it
	files []string
	only  bool // the file was asked for by name: it must load
}

// places lists where the library is looked for, in order.
func (l *library) places(getenv func(string) string) []place {
	if file := getenv(l.env); file != "" {
		return []place{{name: "(" + l.env + ")", files: []string{file}, only: true}}
	}
	var places []place
	add := func(folder, name string) {
		p := place{name: name}
		for _, f := range l.files {
			p.files = append(p.files, filepath.Join(folder, f))
		}
		places = append(places, p)
	}
	// The newest of all these folders, which may be those of packages for several versions of CUDA.
	if folders := slices.DeleteFunc(filepath.SplitList(getenv(pathEnv)), func(f string) bool { return f == "" }); len(folders) > 0 {
		p := place{name: strings.Join(folders, ", ") + " (" + pathEnv + ")"}
		for _, f := range l.files {
			for _, folder := range folders {
				p.files = append(p.files, filepath.Join(folder, f))
			}
		}
		places = append(places, p)
	}
	places = append(places, place{name: "the loader's path", files: l.files})
	if home := getenv("CUDA_HOME"); home != "" {
		folder := filepath.Join(home, "lib64")
		add(folder, folder+" (CUDA_HOME)")
	}
	for _, folder := range []string{"/usr/local/cuda/lib64", "/usr/lib/x86_64-linux-gnu"} {
		add(folder, folder)
	}
	return places
}

// find loads the first candidate that exists, through load, which returns the loader's words on failure.
// The result is the path or name that was loaded.
func (l *library) find(getenv func(string) string, load func(path string) (why string)) (string, error) {
	places := l.places(getenv)
	fail := func(tried, reason string) error {
		advice := fmt.Sprintf("install %s, put its folder into %s or its file into %s", l.get, pathEnv, l.env)
		return &LoadError{Library: l.name, Tried: tried, Reason: reason, Advice: advice}
	}
	if places[0].only {
		file := places[0].files[0]
		if why := load(file); why != "" {
			return "", fail(file+" "+places[0].name, why)
		}
		return file, nil
	}
	var names []string
	var first string // the loader's words about the newest name
	for _, p := range places {
		names = append(names, p.name)
		for _, file := range p.files {
			if filepath.IsAbs(file) || strings.Contains(file, "/") {
				if _, err := os.Stat(file); err != nil {
					continue
				}
			}
			why := load(file)
			if why == "" {
				return file, nil
			}
			// A file that exists but does not load (a dependency is missing, a wrong architecture) is not passed over.
			if !strings.HasPrefix(why, file+": cannot open shared object file: No such file") {
				return "", fail(file, why)
			}
			if first == "" {
				first = why
			}
		}
	}
	return "", fail(fmt.Sprintf("any of %s from %s", strings.Join(l.files, ", "), strings.Join(names, ", ")), first)
}
