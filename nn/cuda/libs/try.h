// How the C side calls a library and reports a failure.
#ifndef RL_TRY_H
#define RL_TRY_H

#include "shim.h"

#define RL_OK ((rl_result){0, 0})

// Calls table.function(...), and returns from the caller when that fails.
#define RL_TRY(table, function, ...)                 \
    do {                                             \
        int status_ = (int)table.function(__VA_ARGS__); \
        if (status_ != 0)                            \
            return (rl_result){status_, #function};  \
    } while (0)

// Calls table.function(...) whatever happened before, and keeps the first failure in result.
#define RL_ALSO(result, table, function, ...)        \
    do {                                             \
        int status_ = (int)table.function(__VA_ARGS__); \
        if (status_ != 0 && result.code == 0)        \
            result = (rl_result){status_, #function}; \
    } while (0)

#endif
