//go:build !linux

package main

import (
	"errors"
	"time"
)

var errNoBinding = errors.New("this system cannot bind processes to cores")

func allowedCores() ([]int, error) { return nil, errNoBinding }

func bindThread([]int) error { return errNoBinding }

func delayTimers(time.Duration) error { return errors.New("this system cannot let timers fire later") }
