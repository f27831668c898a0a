// Package allreducetest is an in-memory ring: N ranks run in one test process, without sockets.
//
// [NewRing] makes one transport per rank. With [Faults] it drops, repeats, reorders, damages, cuts or delays frames,
// drawn from a seed, so that a failure can be run again. [Run] runs one function per rank and collects the errors.
// [Mix] is a workload for any ring that checks its own results against an oracle.
//
// Delays use the time package: run such tests in a testing/synctest bubble, where they cost no time.
package allreducetest
