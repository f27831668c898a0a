package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"ringloom/nn/onednn"
	"ringloom/run"
)

// version is set by the Makefile from git.
var version = "development"

func versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version, the devices built in and the libraries that matter",
		Args:  noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			devices := "cpu (oneDNN), purego"
			if err := onednn.Available(); err != nil {
				devices = "purego (" + err.Error() + ")"
			}
			if run.BuiltWithCUDA {
				devices = "cuda, " + devices
			}
			out := cmd.OutOrStdout()
			fmt.Fprintf(out, "ringloom %s, %s, %s/%s\ndevices: %s\n", version, runtime.Version(), runtime.GOOS, runtime.GOARCH, devices)
			info, ok := debug.ReadBuildInfo()
			if !ok {
				return nil
			}
			for _, dep := range info.Deps {
				switch dep.Path {
				case "gorgonia.org/gorgonia", "github.com/nats-io/nats-server/v2", "github.com/nats-io/nats.go", "github.com/hashicorp/memberlist":
					fmt.Fprintf(out, "%s %s\n", dep.Path, dep.Version)
				}
			}
			return nil
		},
	}
}
