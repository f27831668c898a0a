package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"ringloom/run"
)

func scaleCommand() *cobra.Command {
	var pid int
	cmd := &cobra.Command{
		Use:   "scale N [--pid PID]",
		Short: "Have a running elastic launch go to N ranks",
		Long: `Have a running 'ringloom launch --elastic' of this user on this machine go to N ranks.

Ranks that come on top take their state from the others over the ring. Ranks that are too many leave behind
the step under way, the youngest first. Nothing is lost either way.`,
		Example: `  ringloom scale 3
  ringloom scale 2 --pid 4711`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usageError{fmt.Errorf("%d words are given: say how many ranks, as in 'ringloom scale 3'", len(args))}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			n, err := strconv.Atoi(args[0])
			if err != nil || n < 1 {
				return usageError{fmt.Errorf("%q ranks: give a positive number, as in 'ringloom scale 3'", args[0])}
			}
			at, err := findLaunch(cmd.Flags().Changed("pid"), pid)
			if err != nil {
				return err
			}
			reply, err := askLaunch(at, n)
			switch {
			case err != nil:
				return fmt.Errorf("asking the launch: %w", err)
			case reply.Error != "":
				return usageError{fmt.Errorf("launch (pid %d) stays at %s: %s", reply.PID, plural(reply.Before, "rank"), reply.Error)}
			}
			fmt.Fprintf(cmd.OutOrStdout(), "launch (pid %d): %s wanted, %d before\n", reply.PID, areRanks(reply.Now), reply.Before)
			return nil
		},
	}
	cmd.Flags().IntVar(&pid, "pid", 0, "the process number of the launch; needed where several run")
	return cmd
}

// findLaunch is the socket of the one launch that can be meant.
func findLaunch(given bool, pid int) (path string, err error) {
	dir, err := run.PrivateDir()
	if err != nil {
		return "", err
	}
	sockets, err := filepath.Glob(filepath.Join(dir, strings.Replace(controlPattern, "%d", "*", 1)))
	if err != nil {
		return "", err
	}
	var launches []string
	for _, at := range sockets {
		reply, err := askLaunch(at, 0)
		switch {
		case err == nil && given && reply.PID == pid:
			return at, nil
		case err == nil:
			path = at
			launches = append(launches, fmt.Sprintf("pid %d with %s, started in %s", reply.PID, plural(reply.Now, "rank"), reply.Folder))
		case errors.Is(err, syscall.ECONNREFUSED):
			_ = os.Remove(at) // its launch was killed
		}
	}
	all := strings.Join(launches, "; ")
	switch {
	case len(launches) == 0:
		return "", errors.New("no elastic launch of this user runs on this machine: start one with 'ringloom launch -n 2 --elastic'")
	case given:
		return "", usageError{fmt.Errorf("--pid %d is no elastic launch of this user; there is: %s", pid, all)}
	case len(launches) > 1:
		return "", usageError{fmt.Errorf("%d elastic launches of this user run: say which with --pid: %s", len(launches), all)}
	}
	return path, nil
}

// askLaunch asks a launch for so many ranks, or with 0 only about it.
func askLaunch(path string, ranks int) (reply controlReply, err error) {
	conn, err := net.DialTimeout("unix", path, controlPatience)
	if err != nil {
		return reply, err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(controlPatience)); err != nil {
		return reply, err
	}
	if err := json.NewEncoder(conn).Encode(controlAsk{ranks}); err != nil {
		return reply, err
	}
	return reply, json.NewDecoder(conn).Decode(&reply)
}
