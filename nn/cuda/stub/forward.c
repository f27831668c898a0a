// libcuda for the linker: functions that pass each call on to the driver's libcuda.so.1, which is loaded when the first
// is called. A program that was linked with this starts on a machine without a driver, and can say why there is none.
#include <dlfcn.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cuda.h"
#include "stub.h"

static const char usual_name[] = "libcuda.so.1";

static pthread_once_t once = PTHREAD_ONCE_INIT;
static void *library;
static char problem[2048];             // why library is NULL
static _Atomic(const char *) missing; // the symbol that was last looked for in vain

// append adds to problem as much as fits, without line ends: it is shown as one line.
static void append(const char *separator, const char *text) {
    size_t length = strlen(problem);
    snprintf(problem + length, sizeof problem - length, "%s%s", length > 0 ? separator : "", text);
    for (char *c = problem + length; *c; c++)
        if (*c == '\n')
            *c = ' ';
}

// open_file keeps the loader's words, which name the file, where it fails.
static void open_file(const char *path) {
    library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (library != NULL)
        return;
    const char *words = dlerror();
    append("; ", words != NULL ? words : path);
}

// open_library looks where the environment says. A file that RINGLOOM_LIBCUDA names is never replaced by another.
static void open_library(void) {
    const char *file = getenv("RINGLOOM_LIBCUDA");
    if (file != NULL && *file != 0) {
        open_file(file);
        return;
    }
    const char *folders = getenv("RINGLOOM_CUDA_PATH");
    while (folders != NULL && *folders != 0 && library == NULL) {
        size_t length = strcspn(folders, ":");
        char path[4096];
        int written = snprintf(path, sizeof path, "%.*s/%s", (int)length, folders, usual_name);
        if (length > 0 && written < (int)sizeof path)
            open_file(path);
        folders += length + (folders[length] == ':');
    }
    if (library == NULL)
        open_file(usual_name);
}

// find looks symbol up and remembers it in slot. NULL and a result that says why where it cannot be called.
static void *find(const char *symbol, _Atomic(void *) *slot, CUresult *result) {
    pthread_once(&once, open_library);
    void *found = library != NULL ? dlsym(library, symbol) : NULL;
    *result = library == NULL ? CUDA_ERROR_NOT_INITIALIZED
              : found == NULL ? CUDA_ERROR_SHARED_OBJECT_SYMBOL_NOT_FOUND
                              : CUDA_SUCCESS;
    if (*result == CUDA_ERROR_SHARED_OBJECT_SYMBOL_NOT_FOUND)
        atomic_store(&missing, symbol);
    atomic_store_explicit(slot, found, memory_order_release);
    return found;
}

// cuInit does nothing: package cu calls it when the process starts, and ends the process where it fails. So
// `ringloom --help` would need a GPU. ringloom_stub_init initialises.
CUresult cuInit(unsigned int flags) {
    (void)flags;
    return CUDA_SUCCESS;
}

CUresult ringloom_stub_init(void) {
    static _Atomic(void *) slot;
    CUresult result;
    void *init = find("cuInit", &slot, &result);
    return init != NULL ? ((CUresult(*)(unsigned int))init)(0) : result;
}

const char *ringloom_stub_problem(void) {
    pthread_once(&once, open_library);
    return library == NULL ? problem : NULL;
}

const char *ringloom_stub_missing(void) { return atomic_load(&missing); }

// Names end in _ here where a parameter could have them.
#define CUDA_FUNCTION(symbol, parameters, arguments)                                  \
    CUresult symbol parameters {                                                      \
        static _Atomic(void *) slot_;                                                 \
        void *found_ = atomic_load_explicit(&slot_, memory_order_acquire);            \
        CUresult result_;                                                             \
        if (found_ == NULL && (found_ = find(#symbol, &slot_, &result_)) == NULL)     \
            return result_;                                                           \
        return ((CUresult(*) parameters)found_) arguments;                            \
    }
#include "libcuda_functions.h"
