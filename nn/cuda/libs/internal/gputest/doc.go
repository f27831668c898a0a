// Package gputest gives the tests of package libs a context, a stream and device memory, on a GPU or on the emulator of
// package emulator, which RINGLOOM_LIBCUDA names.
package gputest
