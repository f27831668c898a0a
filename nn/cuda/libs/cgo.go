//go:build gpu && cgo

package libs

/*
#cgo CFLAGS: -O2 -Wall
#cgo LDFLAGS: -ldl
#cgo noescape rl_gemm
#cgo nocallback rl_gemm
#cgo noescape rl_conv_run
#cgo nocallback rl_conv_run
#cgo noescape rl_conv_bias
#cgo nocallback rl_conv_bias
#include "shim.h"
*/
import "C"
