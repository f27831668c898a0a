package main

import "github.com/spf13/cobra"

func benchCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "bench",
		Short: "Measure this machine, the ring, and how training scales",
		Long:  "Measure how fast this machine trains, how fast the ring sums, and how the two scale together, and say where the time goes.",
		Args:  noCommand,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(benchStepCommand(), benchAllReduceCommand(), benchScalingCommand(), benchElasticCommand())
	return cmd
}
