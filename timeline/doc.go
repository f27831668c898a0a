// Package timeline records what each rank did and when, says where each step's time went, and draws all ranks on one
// time axis.
//
// # Use
//
// Every rank records; after the run every rank gathers all records:
//
//	recorder := timeline.NewRecorder(capacity) // train.Options.Recorder; a nil one records nothing
//	first, err := timeline.MeasureClock(ctx, ring, rank, recorder.Now)
//	... training ...
//	last, err := timeline.MeasureClock(ctx, ring, rank, recorder.Now)
//	record := recorder.Rank(rank, node, device)
//	record.Align(first, last)
//	ranks, err := timeline.Gather(ctx, ring, record)
//	steps := timeline.Breakdown(ranks)
//	err = timeline.WriteChrome(w, ranks)
//
// # Memory
//
// A Recorder has room for a fixed number of events (40 bytes each) and allocates nothing after it was made. Once it is
// full the newest event takes the place of the oldest, so that the end of a run is kept; Rank.Dropped counts what is
// gone. A rank's record must fit into one block of the ring's AllGatherBytes, 64 MiB; MaxEvents events always do.
//
// # Clocks
//
// A rank's clock is its wall clock when the recorder was made and the monotonic clock from then on, so that setting the
// time in the middle of a run does no harm. clock.go says how the offsets between the ranks are bounded. Times of two
// ranks compare to within the sum of their uncertainties.
//
// # Ordering and goroutines
//
// A Recorder belongs to the training thread. MeasureClock and Gather are collectives: all ranks call them in the same
// order, and they block until the slowest has. Everything else is a function of its arguments.
//
// # Testing with it
//
// MeasureClock and Gather take any ring that has AllGatherBytes; a clock is a function.
package timeline
