//go:build gpu && cgo

#include "gputest.h"

#include <dlfcn.h>

static void *driver;

// Calls a function of the driver by name; all that are used here return a status and are found at every call anew.
#define CALL(name, parameters, ...)                                \
    do {                                                           \
        int(*function) parameters;                                 \
        *(void **)&function = dlsym(driver, name);                 \
        *status = function ? function(__VA_ARGS__) : -1;           \
        if (*status != 0)                                          \
            return name;                                           \
    } while (0)

const char *rl_test_open(const char *file, void **stream, int *status)
{
    int device = 0;
    void *context = 0;
    *status = -1;
    driver = dlopen(file, RTLD_LAZY | RTLD_LOCAL);
    if (!driver)
        return "dlopen";
    CALL("cuInit", (unsigned), 0);
    CALL("cuDeviceGet", (int *, int), &device, 0);
    CALL("cuDevicePrimaryCtxRetain", (void **, int), &context, device);
    CALL("cuCtxSetCurrent", (void *), context);
    CALL("cuStreamCreate", (void **, unsigned), stream, 1); // does not wait for the null stream
    return 0;
}

const char *rl_test_alloc(size_t bytes, uint64_t *address, int *status)
{
    CALL("cuMemAlloc_v2", (uint64_t *, size_t), address, bytes);
    return 0;
}

const char *rl_test_free(uint64_t address, int *status)
{
    CALL("cuMemFree_v2", (uint64_t), address);
    return 0;
}

const char *rl_test_write(uint64_t to, const void *from, size_t bytes, int *status)
{
    CALL("cuMemcpyHtoDAsync_v2", (uint64_t, const void *, size_t, void *), to, from, bytes, 0);
    CALL("cuStreamSynchronize", (void *), 0);
    return 0;
}

const char *rl_test_read(void *to, uint64_t from, size_t bytes, int *status)
{
    CALL("cuMemcpyDtoHAsync_v2", (void *, uint64_t, size_t, void *), to, from, bytes, 0);
    CALL("cuStreamSynchronize", (void *), 0);
    return 0;
}

const char *rl_test_sync(void *stream, int *status)
{
    CALL("cuStreamSynchronize", (void *), stream);
    return 0;
}

const char *rl_test_close(void *stream, int *status)
{
    CALL("cuStreamSynchronize", (void *), stream);
    CALL("cuStreamDestroy_v2", (void *), stream);
    CALL("cuDevicePrimaryCtxRelease_v2", (int), 0);
    return 0;
}
