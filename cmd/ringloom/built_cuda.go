//go:build gpu

package main

const builtWithCUDA = true
