//go:build onednn && cgo

package onednn

/*
#cgo CFLAGS: -O3 -fopenmp -Wall
#cgo LDFLAGS: -ldnnl -lgomp -lm
#cgo noescape rl_run
#cgo nocallback rl_run
#include "kernel.h"
#include <oneapi/dnnl/dnnl.h>
*/
import "C"
