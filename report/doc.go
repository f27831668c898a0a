// Package report is what a run leaves behind and shows: the course's epoch line, the table per rank, the run
// directory with its metrics, atomic file writes, the progress display and the loggers.
//
// It only formats and writes; it computes nothing, knows no other package of the project and starts no goroutine.
package report
