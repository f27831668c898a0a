// Package purego is the reference device: every operation of nn in plain Go, on one thread, with no assembly and no C
// library. It favours clarity over speed; other devices are tested against it.
//
// Convolutions and linear layers come down to two routines, dot products of rows that are contiguous in memory and
// sums of such rows: operands that lie otherwise are gathered or transposed first. Sums run in a fixed order, so
// results are the same bits from run to run.
package purego
