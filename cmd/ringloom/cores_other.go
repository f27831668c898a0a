//go:build !linux

package main

import "errors"

var errNoBinding = errors.New("this system cannot bind processes to cores")

func allowedCores() ([]int, error) { return nil, errNoBinding }

func bindThread([]int) error { return errNoBinding }
