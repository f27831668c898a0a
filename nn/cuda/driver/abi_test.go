package driver

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

const ourInclude = "../include"

// toolkitInclude is a folder with NVIDIA's cuda.h: RINGLOOM_CUDA_INCLUDE, or that of CUDA_HOME.
func toolkitInclude(t *testing.T) string {
	t.Helper()
	folders := filepath.SplitList(os.Getenv("RINGLOOM_CUDA_INCLUDE")) // as package libs reads it
	if home := os.Getenv("CUDA_HOME"); home != "" {
		folders = append(folders, filepath.Join(home, "include"))
	}
	if len(folders) == 0 {
		t.Skip("SKIPPED, cuda.h was NOT compared with NVIDIA's: neither RINGLOOM_CUDA_INCLUDE nor CUDA_HOME is set")
	}
	for _, folder := range folders {
		if _, err := os.Stat(filepath.Join(folder, "cuda.h")); err == nil {
			return folder
		}
	}
	t.Fatalf("no cuda.h in %s", strings.Join(folders, ", "))
	return ""
}

// TestSameABI compiles one program with each header, and compares what the two print: the value of every constant, the
// size of every type, every member's place, and the symbol that each plain name stands for. The signatures of all
// functions in libcuda_functions.h are checked against NVIDIA's declarations by the compiler.
func TestSameABI(t *testing.T) {
	theirs := toolkitInclude(t)
	program := abiProgram(t)
	version := runABI(t, theirs, "#include <stdio.h>\n#include <cuda.h>\nint main(void) { printf(\"%d\", CUDA_VERSION); }\n")[0]
	if !strings.HasPrefix(version, "11") {
		t.Skipf("SKIPPED, cuda.h was NOT compared with NVIDIA's: it has the types of CUDA 11, but %s is of CUDA_VERSION %s", theirs, version)
	}
	want, got := runABI(t, theirs, program), runABI(t, ourInclude, program)
	if len(want) != len(got) {
		t.Fatalf("%d lines from NVIDIA's header, %d from ours", len(want), len(got))
	}
	for i := range want {
		if i > 0 && want[i] != got[i] {
			t.Errorf("NVIDIA's header has %q, ours %q", want[i], got[i])
		}
	}
	t.Logf("%d facts and the signatures of %d functions agree with %s", len(want)-1, strings.Count(readHeader(t, "libcuda_functions.h"), "\nCUDA_FUNCTION("), want[0])
}

// abiProgram names everything that our header declares.
func abiProgram(t *testing.T) string {
	header, enums := readHeader(t, "cuda.h"), readHeader(t, "libcuda_enums.h")
	var p strings.Builder
	p.WriteString(`#include <stddef.h>
#include <stdio.h>
#include <cuda.h>
#define TEXT_OF(x) #x
#define TEXT(x) TEXT_OF(x)
#define CUDA_FUNCTION(symbol, parameters, arguments) \
	_Static_assert(__builtin_types_compatible_p(__typeof__(&symbol), CUresult (*) parameters), #symbol);
#include "` + filepath.ToSlash(mustAbs(t, filepath.Join(ourInclude, "libcuda_functions.h"))) + `"
_Static_assert(__builtin_types_compatible_p(__typeof__(&cuInit), CUresult (*)(unsigned int)), "cuInit");
_Static_assert(__builtin_types_compatible_p(CUhostFn, void (*)(void *)), "CUhostFn");
int main(void) {
	printf("CUDA_VERSION %d\n", CUDA_VERSION);
`)
	count := 0
	fact := func(format, expression string) {
		count++
		fmt.Fprintf(&p, "\tprintf(\"%%s %s\\n\", %q, %s);\n", format, expression, expression)
	}
	for _, m := range regexp.MustCompile(`\bCU[A-Z_0-9a-z]+(?: =)`).FindAllString(enums, -1) {
		fact("%lld", "(long long)"+strings.TrimSuffix(m, " ="))
	}
	for _, m := range regexp.MustCompile(`(?m)^#define (CU_\w+)`).FindAllStringSubmatch(header, -1) {
		fact("%lld", "(long long)"+m[1])
	}
	for _, m := range regexp.MustCompile(`(?m)^#define (cu\w+)`).FindAllStringSubmatch(header, -1) {
		count++
		fmt.Fprintf(&p, "\tprintf(\"%s %%s\\n\", TEXT(%s));\n", m[1], m[1])
	}
	for _, m := range regexp.MustCompile(`(?m)^} (\w+);|^typedef .*?(\w+);$`).FindAllStringSubmatch(header+enums, -1) {
		fact("%zu", "sizeof("+m[1]+m[2]+")")
	}
	for _, m := range regexp.MustCompile(`(?s)typedef struct \w+ \{(.*?)\n\} (\w+);`).FindAllStringSubmatch(header, -1) {
		for _, field := range regexp.MustCompile(`(\w+)(?:\[\d+\])?[,;]`).FindAllStringSubmatch(m[1], -1) {
			fact("%zu", "offsetof("+m[2]+", "+field[1]+")")
			fact("%zu", "sizeof((("+m[2]+" *)0)->"+field[1]+")")
		}
	}
	if count < 500 {
		t.Fatalf("only %d facts were found in our headers", count)
	}
	return p.String() + "}\n"
}

func runABI(t *testing.T, include, program string) []string {
	t.Helper()
	made := filepath.Join(t.TempDir(), "abi")
	cc := exec.Command("cc", "-std=gnu11", "-Wno-deprecated-declarations", "-I", include, "-o", made, "-x", "c", "-")
	cc.Stdin = strings.NewReader(program)
	if output, err := cc.CombinedOutput(); err != nil {
		t.Fatalf("with the header in %s: %v\n%s", include, err, output)
	}
	output, err := exec.Command(made).Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(string(bytes.TrimSpace(output)), "\n")
}

func readHeader(t *testing.T, name string) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(ourInclude, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

func mustAbs(t *testing.T, path string) string {
	t.Helper()
	path, err := filepath.Abs(path)
	if err != nil {
		t.Fatal(err)
	}
	return path
}
