//go:build !linux

package sysinfo

import (
	"errors"
	"time"
)

var errNoBinding = errors.New("this system cannot bind processes to cores")

// AllowedCores are not known here.
func AllowedCores() ([]int, error) { return nil, errNoBinding }

// BindThread fails here.
func BindThread([]int) error { return errNoBinding }

// DelayTimers fails here.
func DelayTimers(time.Duration) error { return errors.New("this system cannot let timers fire later") }
