// Package purego is the reference device: every operation of package op in plain Go, with no assembly and no C library.
// It favours clarity over speed; other devices are tested against it.
//
// Convolutions gather their windows into rows and come down to one routine, dot products of rows that are contiguous
// in memory, at the two operations a cycle that Go's scalar code can do at most. They and the linear layers are cut
// into tasks that goroutines share; which of them computes a task never matters to its result, and sums run in a
// fixed order, so results are the same bits from run to run and for any number of processors.
package purego
