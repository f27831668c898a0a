// Compiles the CUDA C++ of standard input with the NVRTC that the first argument names, for the architecture that the second one
// names, such as sm_90, and prints the machine code: a driver refuses PTX of an NVRTC that is newer.
#include <dlfcn.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GET(result, name, parameters) \
    result(*name) parameters = (result(*) parameters)dlsym(library, "nvrtc" #name)

// load_builtins loads the part of NVRTC that lies beside it: in a folder that the loader does not search NVRTC would not find it.
static void load_builtins(const char *nvrtc) {
    char pattern[4096];
    const char *end = strrchr(nvrtc, '/');
    glob_t found;
    if (end == NULL)
        return;
    snprintf(pattern, sizeof pattern, "%.*slibnvrtc-builtins.so.*", (int)(end + 1 - nvrtc), nvrtc);
    if (glob(pattern, 0, NULL, &found) == 0)
        for (size_t i = 0; i < found.gl_pathc; i++)
            dlopen(found.gl_pathv[i], RTLD_NOW);
}

int main(int count, char **arguments) {
    static char source[1 << 16], architecture[100];
    fread(source, 1, sizeof source - 1, stdin);
    if (count != 3) {
        fputs("two arguments are needed\n", stderr);
        return 1;
    }
    load_builtins(arguments[1]);
    void *library = dlopen(arguments[1], RTLD_NOW);
    if (library == NULL) {
        fprintf(stderr, "%s\n", dlerror());
        return 1;
    }
    snprintf(architecture, sizeof architecture, "--gpu-architecture=%s", arguments[2]);
    GET(int, CreateProgram, (void **, const char *, const char *, int, const char **, const char **));
    GET(int, CompileProgram, (void *, int, const char **));
    GET(int, GetCUBINSize, (void *, size_t *));
    GET(int, GetCUBIN, (void *, char *));
    void *program;
    size_t bytes = 0;
    const char *options[] = {architecture, "-std=c++17"};
    int result = CreateProgram(&program, source, "test.cu", 0, NULL, NULL);
    if (result == 0)
        result = CompileProgram(program, 2, options);
    if (result == 0)
        result = GetCUBINSize(program, &bytes);
    char *code = malloc(bytes + 1);
    if (result == 0)
        result = GetCUBIN(program, code);
    if (result != 0) {
        fprintf(stderr, "NVRTC's result is %d\n", result);
        return 1;
    }
    return fwrite(code, 1, bytes, stdout) == bytes ? 0 : 1;
}
