// Command env builds the emulator and prints the environment that has a program load it, a variable a line:
//
//	env $(go run ./nn/cuda/emulator/env) bin/ringloom devices
package main

import (
	"fmt"
	"os"

	"ringloom/nn/cuda/emulator"
)

func main() {
	lib, err := emulator.Build("")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	for _, variable := range emulator.Env(lib) {
		fmt.Println(variable)
	}
}
