#ifndef RL_GPUTEST_H
#define RL_GPUTEST_H

#include <stddef.h>
#include <stdint.h>

// Each returns null, or the name of the driver's function that failed or is missing.
const char *rl_test_open(const char *file, void **stream, int *status);
const char *rl_test_alloc(size_t bytes, uint64_t *address, int *status);
const char *rl_test_free(uint64_t address, int *status);
const char *rl_test_write(uint64_t to, const void *from, size_t bytes, int *status);
const char *rl_test_read(void *to, uint64_t from, size_t bytes, int *status);
const char *rl_test_sync(void *stream, int *status);
const char *rl_test_close(void *stream, int *status);

#endif
