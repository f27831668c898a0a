package main

import (
	"bytes"
	"fmt"
	"os"
	"slices"
	"strconv"
	"syscall"

	"github.com/spf13/cobra"
)

func leaveCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "leave PID...",
		Short: "Have ranks of this machine leave their elastic run",
		Long: `Have ranks of this machine leave their elastic run behind the step under way, as SIGTERM does: the others go on without
them, and they end with exit code 6. PID is the process number of a 'ringloom train --elastic', which its log and the
lines about it show. To leave with a rank of 'ringloom launch --elastic' for good, go to fewer ranks with 'ringloom
scale'.`,
		Example: "  ringloom leave 4711",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usageError{fmt.Errorf("say which: give the process numbers of ranks, as in 'ringloom leave 4711'")}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			var pids []int
			for _, arg := range args { // all are looked at before any is told
				pid, err := strconv.Atoi(arg)
				if err != nil || pid < 1 {
					return usageError{fmt.Errorf("%q is no process number", arg)}
				}
				if err := isElasticRank(pid); err != nil {
					return usageError{err}
				}
				pids = append(pids, pid)
			}
			for _, pid := range pids {
				if err := syscall.Kill(pid, syscall.SIGTERM); err != nil {
					return fmt.Errorf("telling process %d: %w", pid, err)
				}
				fmt.Fprintf(cmd.OutOrStdout(), "process %d leaves behind the step under way\n", pid)
			}
			return nil
		},
	}
}

// isElasticRank refuses processes that are none, for to them SIGTERM means something else.
func isElasticRank(pid int) error {
	line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	if err != nil {
		return fmt.Errorf("there is no process %d here", pid)
	}
	var args []string
	for _, arg := range bytes.Split(bytes.TrimRight(line, "\x00"), []byte{0}) {
		args = append(args, string(arg))
	}
	if len(args) < 2 || args[1] != "train" || !slices.Contains(args, "--elastic") && !slices.Contains(args, "--elastic=true") {
		return fmt.Errorf("process %d is no rank of an elastic run ('ringloom train --elastic')", pid)
	}
	return nil
}
