// Command env builds the emulator and prints the environment that has a program load it, a variable a line:
//
//	env $(go run ./internal/cudaemu/env) bin/ringloom devices
package main

import (
	"fmt"
	"os"

	"ringloom/internal/cudaemu"
)

func main() {
	lib, err := cudaemu.Build("")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	for _, variable := range cudaemu.Env(lib) {
		fmt.Println(variable)
	}
}
