// Package sysinfo asks the system about the machine and this process, and tells it on which cores a thread may run: single
// fields of Linux's /proc, memory, cores. What a system does not know is reported as such, never guessed.
package sysinfo
