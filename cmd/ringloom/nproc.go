package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/pflag"
)

// nodeFlags are those that only a node of a cluster has; the launcher gives its ranks their own.
var nodeFlags = []string{"bind", "advertise", "join", "join-timeout", "job", "name", "key-file", "nats-bind"}

// expectOptional is the help of --expect where a command also starts ranks itself.
const expectOptional = "number of nodes of the cluster that this process is one of; without it all ranks are on this machine"

// launches reports whether a command with -n and --expect starts its ranks itself, rather than being one of them.
func launches(fl *pflag.FlagSet) (bool, error) {
	if fl.Changed("expect") {
		if fl.Changed("nproc") {
			return false, fmt.Errorf("-n and --expect exclude each other: -n starts ranks on this machine, --expect makes this process one of a cluster")
		}
		return false, nil
	}
	for _, name := range nodeFlags {
		if fl.Changed(name) {
			return false, fmt.Errorf("--%s has no effect without --expect: say how many nodes the cluster has", name)
		}
	}
	return true, nil
}

// given are the flags of the command line as it gave them, but for some.
func given(fl *pflag.FlagSet, except ...string) (args []string) {
	fl.Visit(func(f *pflag.Flag) {
		if slices.Contains(except, f.Name) {
			return
		}
		value := f.Value.String()
		if list, ok := f.Value.(pflag.SliceValue); ok { // whose String has brackets
			value = strings.Join(list.GetSlice(), ",")
		}
		args = append(args, fmt.Sprintf("--%s=%s", f.Name, value))
	})
	return args
}
