//go:build gpu && cgo

package libs

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// includeEnv is the variable with the folders of CUDA's headers, separated by colons.
const includeEnv = "RINGLOOM_CUDA_INCLUDE"

// What a C compiler must find true when the real headers are included: the functions have the very types that this
// package calls them by, the values are equal, and the enumerations are as large as the int that they are passed as.
const abiChecks = `
#define RL_REAL_HEADERS
#include "API"
#define CHECK_FUNCTION(result, name, parameters) \
	_Static_assert(__builtin_types_compatible_p(__typeof__(&name), result (*) parameters), #name);
#define CHECK_VALUE(name, value) _Static_assert((name) == (value), #name);
#define CHECK_ENUM(type) _Static_assert(sizeof(type) == sizeof(int), #type);
`

const perfChecks = `
#define CHECK_FIELD(type, field) _Static_assert(offsetof(type, field) == offsetof(struct rl_perf, field) && \
	sizeof(((type *)0)->field) == sizeof(((struct rl_perf *)0)->field), #type "." #field);
#define CHECK_PERF(type) \
	_Static_assert(sizeof(type) == sizeof(struct rl_perf), #type); \
	CHECK_FIELD(type, algo) CHECK_FIELD(type, status) CHECK_FIELD(type, time) CHECK_FIELD(type, memory) \
	CHECK_FIELD(type, determinism) CHECK_FIELD(type, mathType) CHECK_FIELD(type, reserved)
CHECK_PERF(cudnnConvolutionFwdAlgoPerf_t)
CHECK_PERF(cudnnConvolutionBwdDataAlgoPerf_t)
CHECK_PERF(cudnnConvolutionBwdFilterAlgoPerf_t)
`

var abis = []struct{ header, api, checks, wrong string }{
	{
		"cublas_v2.h", "cublas_api.h", "RL_CUBLAS_FUNCTIONS(CHECK_FUNCTION) RL_CUBLAS_VALUES(CHECK_VALUE) RL_CUBLAS_ENUMS(CHECK_ENUM)",
		"CHECK_FUNCTION(cublasStatus_t, cublasCreate_v2, (cublasHandle_t))",
	},
	{
		"nvrtc.h", "nvrtc_api.h", "RL_NVRTC_FUNCTIONS(CHECK_FUNCTION) RL_NVRTC_VALUES(CHECK_VALUE) RL_NVRTC_ENUMS(CHECK_ENUM)",
		"CHECK_VALUE(NVRTC_ERROR_COMPILATION, 5)",
	},
	{
		"cudnn.h", "cudnn_graph_api.h", "RL_CUDNN_FUNCTIONS(CHECK_FUNCTION) RL_CUDNN_VALUES(CHECK_VALUE) RL_CUDNN_ENUMS(CHECK_ENUM)\n" +
			"RL_GRAPH_FUNCTIONS(CHECK_FUNCTION) RL_GRAPH_VALUES(CHECK_VALUE) RL_GRAPH_ENUMS(CHECK_ENUM)\n" +
			"#if CUDNN_MAJOR >= 9\nRL_CUDNN_OPTIONAL(CHECK_FUNCTION)\n#endif\n" + perfChecks,
		"CHECK_VALUE(CUDNN_FMA_MATH, 2)",
	},
}

func TestDeclarations(t *testing.T) {
	folders := filepath.SplitList(os.Getenv(includeEnv))
	if len(folders) == 0 {
		t.Skipf("%s names no folder with CUDA's headers: the declarations were not compared", includeEnv)
	}
	for _, a := range abis {
		t.Run(a.header, func(t *testing.T) {
			found := ""
			for _, f := range folders {
				if _, err := os.Stat(filepath.Join(f, a.header)); err == nil {
					found = f
					break
				}
			}
			if found == "" {
				t.Skipf("no %s in %s: these declarations were not compared", a.header, os.Getenv(includeEnv))
			}
			source := "#include <stddef.h>\n#include <" + a.header + ">\n" + strings.Replace(abiChecks, "API", a.api, 1)
			out, err := compileC(t, source+a.checks, folders)
			if missing := regexp.MustCompile(`fatal error: (\S+): No such file`).FindString(out); err != nil && missing != "" {
				t.Skipf("SKIPPED, these declarations were NOT compared: %s needs a header that is not there: %s", a.header, missing)
			}
			if err != nil {
				t.Errorf("%v\n%s", err, out)
			}
			// The same with one declaration that is wrong must not pass.
			if out, err := compileC(t, source+a.wrong, folders); err == nil || !strings.Contains(out, "static assertion failed") {
				t.Errorf("a wrong declaration passed: %v\n%s", err, out)
			}
		})
	}
}

// compileC checks C source for errors. The package's own headers are found too.
func compileC(t *testing.T, source string, folders []string) (output string, err error) {
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	args := []string{"-std=gnu11", "-fsyntax-only", "-w", "-I" + here}
	for _, f := range folders {
		args = append(args, "-isystem", f)
	}
	cmd := exec.Command("cc", append(args, "-x", "c", "-")...)
	cmd.Stdin = strings.NewReader(source)
	out, err := cmd.CombinedOutput()
	return string(out), err
}
