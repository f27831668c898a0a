// Package deploy has the container images: see Dockerfile. Its tests hold it against the sources that it is built from.
package deploy

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

const root = ".."

func read(t *testing.T, name string) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(root, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// TestGoIsNewEnough: the image's Go must not be older than go.mod's, or the build would fetch another one.
func TestGoIsNewEnough(t *testing.T) {
	wanted := regexp.MustCompile(`(?m)^go (\d+\.\d+)`).FindStringSubmatch(read(t, "go.mod"))
	has := regexp.MustCompile(`(?m)^ARG GO_IMAGE=golang:(\d+\.\d+)`).FindStringSubmatch(read(t, "deploy/Dockerfile"))
	if wanted == nil || has == nil || wanted[1] != has[1] {
		t.Errorf("go.mod has %v, the image %v", wanted, has)
	}
}

// TestContextHasTheSources: what the build copies and compiles must not be left out of the context.
func TestContextHasTheSources(t *testing.T) {
	var ignored []string
	for _, line := range strings.Split(read(t, ".dockerignore"), "\n") {
		if line != "" && !strings.HasPrefix(line, "#") {
			ignored = append(ignored, line)
		}
	}
	for _, copied := range regexp.MustCompile(`(?m)^COPY ([^-\n].*) \./$`).FindAllStringSubmatch(read(t, "deploy/Dockerfile"), -1) {
		for _, name := range strings.Fields(copied[1]) {
			read(t, name)
		}
	}
	for _, name := range []string{"Makefile", "go.mod", "go.sum", "LICENSE", "cmd/ringloom/main.go", "nn/cuda/stub/forward.c", "nn/cuda/include/cuda.h", "nn/cuda/kernels/common.cuh"} {
		read(t, name)
		top, _, _ := strings.Cut(name, "/")
		for _, pattern := range ignored {
			if wrong, err := filepath.Match(pattern, top); err != nil || wrong {
				t.Errorf(".dockerignore leaves out %s by %q (%v)", name, pattern, err)
			}
		}
	}
}

// TestMakefileBuildsTheTargets that there are.
func TestMakefileBuildsTheTargets(t *testing.T) {
	dockerfile := read(t, "deploy/Dockerfile")
	targets := regexp.MustCompile(`--target (\w+)`).FindAllStringSubmatch(read(t, "Makefile"), -1)
	if len(targets) != 2 {
		t.Errorf("the Makefile builds %d targets", len(targets))
	}
	for _, target := range targets {
		if !strings.Contains(dockerfile, " AS "+target[1]+"\n") {
			t.Errorf("the Dockerfile has no target %s", target[1])
		}
	}
}
