// Package ringloom_test holds the sources and the documents against each other: who may import whom (here), and whether
// what the documents name is there (docs_test.go).
package ringloom_test

import (
	"flag"
	"fmt"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// module is the module's path, with which the import paths of its packages begin.
const module = "ringloom"

// anything stands for all packages but those that are for tests alone.
const anything = "anything"

// room is a package: what it is for, and which of our packages it may import. docs/architecture.md has the same table.
type room struct {
	path    string
	purpose string
	imports string // paths; or anything
	// tests are packages that its tests may import beyond those. What is for tests alone they may import anyway.
	tests string
}

// house has every package, from the top down. A new package needs a line here, and the same one in
// docs/architecture.md.
//
// cluster, allreduce, shard, data and nn know nothing of each other; train is the only library where they meet. Devices
// import nn/op alone. run stands above train, launch apart from both, and cmd/ringloom on top of all.
var house = []room{
	{"cmd/ringloom", "the command line: flags, printing, exit codes", anything, ""},
	{"run", "one node's job: join, agree, train, record, resume",
		"allreduce allreduce/codec allreduce/natsring allreduce/tune checkpoint cluster data models nn " +
			"nn/cuda nn/cuda/driver nn/exec nn/onednn nn/op nn/purego report timeline train train/gradsync " +
			"train/optim",
		""},
	{"launch", "the ranks of one machine: start, bind to cores, name the failure", "", ""},

	{"train", "epoch, step, evaluation of one rank",
		"allreduce allreduce/codec allreduce/tune data models nn nn/exec nn/op shard timeline train/gradsync " +
			"train/optim",
		"allreduce/memring nn/onednn nn/purego"},
	{"train/gradsync", "a step's gradients, from final on the device to applied",
		"allreduce allreduce/codec nn nn/exec nn/op nn/purego timeline train/optim",
		"allreduce/memring nn/onednn"},
	{"train/optim", "optimizers, schedules, clipping", "nn nn/exec nn/op", "nn/purego"},

	{"cluster", "who is who, who is alive, why it ended", "", ""},

	{"allreduce", "the ring: collectives as a state machine, and the goroutine around it", "allreduce/codec", ""},
	{"allreduce/codec", "number formats of the wire", "", ""},
	{"allreduce/memring", "the ring between goroutines of one process", "allreduce", ""},
	{"allreduce/natsring", "the ring over NATS, and in shared memory on one machine", "allreduce", "allreduce/codec"},
	{"allreduce/tune", "tries which chunks, windows and rings are fastest",
		"allreduce allreduce/codec",
		"allreduce/memring"},
	{"allreduce/allreducetest", "rings with seeded faults in memory, and the sums that must come out",
		"allreduce allreduce/codec allreduce/memring",
		""},
	{"allreduce/natsring/natsringtest", "a proxy that mistreats what NATS carries", "", ""},

	{"data", "the data set, and the loader that prefetches batches", "", ""},
	{"shard", "which rank gets which sample", "", ""},

	{"models", "the networks, about one line a layer", "nn nn/op", "nn/exec nn/purego"},
	{"models/modelstest", "the networks on a device, against PyTorch's numbers",
		"data models nn nn/exec nn/op nn/purego",
		""},
	{"nn", "layers to a differentiated graph, and that to a list of operations", "nn/op", "data models nn/exec nn/purego"},
	{"nn/op", "operations, shapes, FLOPs, and what a device must do", "", "nn/purego"},
	{"nn/exec", "a step's list of operations to a program: fuse, plan memory, run", "nn nn/op", "data models nn/purego"},
	{"nn/onednn", "the processor, by oneDNN and our own AVX kernels", "nn/op", "models nn nn/exec nn/purego"},
	{"nn/cuda", "an NVIDIA GPU",
		"nn/cuda/driver nn/cuda/kernels nn/cuda/libs nn/op",
		"data models nn nn/exec nn/purego"},
	{"nn/cuda/driver", "the CUDA driver's API", "", ""},
	{"nn/cuda/kernels", "our own CUDA kernels", "", "data nn/cuda/driver nn/cuda/libs nn/op"},
	{"nn/cuda/libs", "cuDNN, cuBLAS and NVRTC, loaded at run time", "", "nn/cuda/driver"},
	{"nn/purego", "plain Go, the reference for the other devices", "nn/op", ""},
	{"nn/nntest", "what every device must pass", "nn/op nn/purego internal/splitmix", ""},
	{"nn/acceltest", "an accelerator in memory that queues as a GPU does", "nn/op nn/purego", "data nn nn/exec"},

	{"checkpoint", "safetensors files, written whole or not at all", "", ""},
	{"onnx", "networks as ONNX files", "nn nn/op", "models nn/exec"},
	{"report", "log, epoch lines, a run's directory", "", ""},
	{"timeline", "what each rank did when", "", "allreduce"},

	{"bench/step", "the speed of a training step", "data models nn nn/exec nn/op train/optim", "nn/purego"},
	{"bench/collective", "the speed of the ring", "allreduce allreduce/codec", ""},
	{"bench/scaling", "explains a scaling study: efficiency, model, prediction, what limits", "", ""},
	{"bench/scaling/measure", "measures a scaling study",
		"allreduce allreduce/codec bench/collective bench/scaling bench/step data models nn nn/exec nn/op " +
			"timeline train",
		"allreduce/memring bench/emulate nn/purego"},
	{"bench/emulate", "a device that waits instead of computing",
		"models nn nn/exec nn/op",
		"allreduce data timeline train"},
	{"bench/elastic", "what deaths, freezes, leaves and joins cost an elastic job", "", ""},

	{"internal/doctest", "what the documents show as code, for the tests that hold them against the sources", "", ""},
	{"internal/filelock", "one process of several has a file, and the others wait for it", "", ""},
	{"internal/float32le", "float32 values as little-endian bytes", "", ""},
	{"internal/gcm", "AES-256-GCM with the widest instructions that the processor has", "", ""},
	{"internal/printable", "strangers' text made safe to show", "", ""},
	{"internal/splitmix", "numbers that a counter determines", "", ""},
	{"internal/split", "a sequence divided among equals", "", ""},
	{"internal/sysinfo", "cores, memory, fields of /proc", "", ""},
	{"internal/cudaemu", "NVIDIA's libraries in C++ on the processor, for the tests of nn/cuda", "", ""},
	{"internal/cudaemu/env", "prints the environment in which a program finds the emulator", "internal/cudaemu", ""},
	{"deploy", "container images, held against the sources by a test", "", ""},
}

// foreign says who may import the packages of other modules, by the beginning of their paths. Whatever is not here is a
// new dependency, which is a decision.
var foreign = []struct{ prefix, importers string }{
	{"gorgonia.org/gorgonia", "nn"},
	{"gorgonia.org/tensor", "nn"},
	{"github.com/chewxy/hm", "nn"},
	{"gorgonia.org/cu", "nn/cuda/driver"},
	{"github.com/nats-io/", "allreduce/natsring allreduce/natsring/natsringtest"},
	{"github.com/hashicorp/", "cluster"},
	{"github.com/klauspost/compress/", "data"},
	{"golang.org/x/image/", "data"},
	{"google.golang.org/protobuf/", "onnx"},
	{"github.com/schollz/progressbar/", "cmd/ringloom report"},
	{"github.com/spf13/", "cmd/ringloom"},
	{"golang.org/x/term", "cmd/ringloom"},
	{"go.uber.org/zap", "cluster cmd/ringloom launch report run"},
	{"golang.org/x/sys/", anything},
}

// forTests says whether tests alone may import a package.
func forTests(p string) bool {
	return strings.HasSuffix(p, "test") || strings.HasPrefix(p, "internal/cudaemu")
}

// forAll says whether any package may import one: it is small, and knows nothing of training.
func forAll(p string) bool { return strings.HasPrefix(p, "internal/") && !forTests(p) }

func (r room) mayImport(p string, test bool) bool {
	switch {
	case p == r.path && test: // its tests, in package x_test
		return true
	case forTests(p) && (test || !forTests(r.path)):
		return test
	case r.imports == anything, forAll(p):
		return true
	}
	return slices.Contains(strings.Fields(r.imports), p) || test && slices.Contains(strings.Fields(r.tests), p)
}

func mayImportForeign(importer, p string) (allowed bool, who string) {
	for _, f := range foreign {
		if strings.HasPrefix(p, f.prefix) {
			return f.importers == anything || slices.Contains(strings.Fields(f.importers), importer), f.importers
		}
	}
	return false, "nobody: it is not in the table of imports_test.go"
}

// source is a Go file, whatever its build tags.
type source struct {
	pkg     string // its folder, in the form of an import path
	test    bool
	imports map[string]token.Position
}

func sources(t *testing.T) (all []source) {
	t.Helper()
	err := filepath.WalkDir(".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && name != "." && (strings.ContainsAny(d.Name()[:1], "._") || d.Name() == "testdata"):
			return fs.SkipDir // as the go command does
		case d.IsDir() || path.Ext(name) != ".go":
			return nil
		}
		set := token.NewFileSet()
		file, err := parser.ParseFile(set, name, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		s := source{
			pkg: filepath.ToSlash(filepath.Dir(name)), test: strings.HasSuffix(name, "_test.go"),
			imports: map[string]token.Position{},
		}
		for _, i := range file.Imports {
			imported, err := strconv.Unquote(i.Path.Value)
			if err != nil {
				return err
			}
			s.imports[imported] = set.Position(i.Pos())
		}
		all = append(all, s)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// TestImports: whoever needs an import that is refused here moves the code to where it belongs, or changes the table
// and says why in docs/decisions.
func TestImports(t *testing.T) {
	rooms := map[string]room{}
	for _, r := range house {
		if _, twice := rooms[r.path]; twice {
			t.Errorf("package %s is in the table twice", r.path)
		}
		rooms[r.path] = r
	}
	seen := map[string]bool{".": true}
	for _, s := range sources(t) {
		r, known := rooms[s.pkg]
		if !known && !seen[s.pkg] {
			t.Errorf("package %s is not in the table of imports_test.go: add it, and 'go test . -update'", s.pkg)
		}
		seen[s.pkg] = true
		for imported, at := range s.imports {
			ours, isOurs := strings.CutPrefix(imported, module+"/")
			if first, _, _ := strings.Cut(imported, "/"); !isOurs && !strings.Contains(first, ".") {
				continue // the standard library, and C
			}
			if isOurs && known && !r.mayImport(ours, s.test) {
				t.Errorf("%s imports %s: %s", at, imported, r.limit(ours, s.test))
			}
			if allowed, who := mayImportForeign(s.pkg, imported); !isOurs && !s.test && !allowed {
				t.Errorf("%s imports %s, which is for %s", at, imported, who)
			}
		}
	}
	for _, r := range house {
		if !seen[r.path] {
			t.Errorf("the table names package %s, which does not exist", r.path)
		}
		for _, p := range strings.Fields(r.imports + " " + r.tests) {
			if _, known := rooms[p]; !known && p != anything {
				t.Errorf("the table lets %s import %s, which is not in it", r.path, p)
			}
		}
	}
}

// limit says what a package may import.
func (r room) limit(refused string, test bool) string {
	if forTests(refused) && !forTests(r.path) {
		return "that package is for tests"
	}
	may := strings.Fields(r.imports)
	if test {
		may = append(may, strings.Fields(r.tests)...)
	}
	if len(may) == 0 {
		may = []string{"none of our packages"}
	}
	return fmt.Sprintf("%s may import %s", r.path, strings.Join(may, ", "))
}

// line is a package's line in docs/architecture.md.
func (r room) line() string {
	may := "nothing of ours"
	switch {
	case r.imports == anything:
		may = "anything"
	case r.imports != "":
		may = "`" + strings.Join(strings.Fields(r.imports), "`, `") + "`"
	}
	return fmt.Sprintf("| `%s` | %s | %s |", r.path, r.purpose, may)
}

var update = flag.Bool("update", false, "write the table of packages into docs/architecture.md")

// TestArchitectureHasTheTable: docs/architecture.md shows each package's line, in the table's order, and no other;
// README.md names the folder of each.
func TestArchitectureHasTheTable(t *testing.T) {
	const page, head = "docs/architecture.md", "| package | what it is for | may import |\n| --- | --- | --- |\n"
	before, table, found := strings.Cut(read(t, page), head)
	if !found {
		t.Fatal(page + " has no table of packages")
	}
	table, after, _ := strings.Cut(table, "\n\n")
	var want []string
	for _, r := range house {
		want = append(want, r.line())
	}
	switch have := strings.Split(strings.TrimSpace(table), "\n"); {
	case *update:
		if after != "" {
			after = "\n\n" + after
		} else {
			after = "\n"
		}
		if err := os.WriteFile(page, []byte(before+head+strings.Join(want, "\n")+after), 0o644); err != nil {
			t.Fatal(err)
		}
	case !slices.Equal(have, want):
		t.Errorf("the table of packages in %s is not that of imports_test.go: 'go test . -update' writes it", page)
	}
	readme := read(t, "README.md")
	for _, r := range house {
		folder, _, _ := strings.Cut(r.path, "/")
		if !strings.Contains(readme, "`"+folder+"`") && !strings.Contains(readme, "`"+r.path+"`") {
			t.Errorf("README.md does not name %s", folder)
		}
	}
}
