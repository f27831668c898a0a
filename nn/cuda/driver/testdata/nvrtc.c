// Compiles the CUDA C++ of standard input with the NVRTC that the first argument names, and prints the PTX.
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

#define GET(result, name, parameters) \
    result(*name) parameters = (result(*) parameters)dlsym(library, "nvrtc" #name)

int main(int count, char **arguments) {
    static char source[1 << 16];
    fread(source, 1, sizeof source - 1, stdin);
    void *library = count == 2 ? dlopen(arguments[1], RTLD_NOW) : NULL;
    if (library == NULL) {
        fprintf(stderr, "%s\n", count == 2 ? dlerror() : "one argument is needed");
        return 1;
    }
    GET(int, CreateProgram, (void **, const char *, const char *, int, const char **, const char **));
    GET(int, CompileProgram, (void *, int, const char **));
    GET(int, GetPTXSize, (void *, size_t *));
    GET(int, GetPTX, (void *, char *));
    void *program;
    size_t bytes = 0;
    const char *options[] = {"--gpu-architecture=compute_80", "-std=c++17"};
    int result = CreateProgram(&program, source, "test.cu", 0, NULL, NULL);
    if (result == 0)
        result = CompileProgram(program, 2, options);
    if (result == 0)
        result = GetPTXSize(program, &bytes);
    char *ptx = malloc(bytes + 1);
    if (result == 0)
        result = GetPTX(program, ptx);
    if (result != 0) {
        fprintf(stderr, "NVRTC's result is %d\n", result);
        return 1;
    }
    fputs(ptx, stdout);
    return 0;
}
