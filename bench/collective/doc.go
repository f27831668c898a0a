// Package collective measures the ring's collectives over a sweep of sizes, as NVIDIA's nccl-tests do, and checks
// their results. It is what `ringloom bench allreduce` runs.
//
// Every rank calls Run with its end of the ring and the same Config:
//
//	summary, err := collective.Run(ctx, group, config, func(row collective.Row) error { return table.Row(row) })
//
// All ranks get the same rows; usually one of them prints. Run blocks until the sweep is done, and ends early with ctx or
// with the ring. N ranks over an in-memory ring run in one process, each Run on a goroutine of its own.
//
// # What is timed
//
// One iteration of a rank is the time from its call to its return. The time of an iteration is that of the slowest rank;
// ranks exchange their times after the loop, not in it. A row has the median and the minimum over the iterations.
// Iterations follow each other without a barrier, as in nccl-tests, but for those of a broadcast, which no rank but the
// last would otherwise wait for. Out of place means that the input is kept: the
// copy into the result's buffer is part of the time. In place, the buffer is summed over and over.
//
// Algorithm bandwidth is the size over the time, bus bandwidth what each link of the ring carries of it: algbw*2(n-1)/n
// for an all-reduce, algbw*(n-1)/n for a reduce-scatter and an all-gather (nccl-tests, doc/PERFORMANCE.md). Both are of the
// median.
//
// # What is checked
//
// Inputs are whole numbers that differ by rank and by element, and so small that every partial sum is exact in the wire
// format, whatever the order. Results are compared with what they must be, on every rank, outside of the timed
// loop: the last timed iteration out of place, one more in place. Of a reduce-scatter each rank checks its own shard. Int8 is exact for no such set of numbers: there a value is
// wrong where it is off by more than its roundings can add up to.
package collective
