package main

import (
	"errors"
	"net"
	"runtime"
	"time"

	"ringloom/cluster"
)

// spinFlag is a duration, or auto.
type spinFlag struct {
	duration time.Duration
	auto     bool
}

// autoSpin is longer than a hop between ranks that are awake, and shorter than what waking one costs.
const autoSpin = 50 * time.Microsecond

// Set parses.
func (s *spinFlag) Set(text string) error {
	if text == "auto" {
		*s = spinFlag{auto: true}
		return nil
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 || d > time.Millisecond {
		return errors.New("give auto, or a duration from 0 to 1ms")
	}
	*s = spinFlag{duration: d}
	return nil
}

// String is what Set takes.
func (s *spinFlag) String() string {
	if s.auto {
		return "auto"
	}
	return s.duration.String()
}

// Type is shown in the help.
func (s *spinFlag) Type() string { return "duration" }

// on is how long a ring of this view spins here, where each rank computes with so many threads.
func (s *spinFlag) on(v cluster.View, threads int) time.Duration {
	if !s.auto {
		return s.duration
	}
	if launched.Bound || ranksHere(v)*max(threads, 1) <= runtime.NumCPU() {
		return autoSpin
	}
	return 0
}

// ranksHere counts the ranks that have this rank's address.
func ranksHere(v cluster.View) int {
	here, _, _ := net.SplitHostPort(v.Members[v.Rank].Addr)
	n := 0
	for _, m := range v.Members {
		if host, _, _ := net.SplitHostPort(m.Addr); host == here {
			n++
		}
	}
	return n
}
