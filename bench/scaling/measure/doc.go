// Package measure measures how a training job scales: what package scaling then explains. It is what `ringloom bench
// scaling` runs.
//
// # Use
//
// Every rank of a ring calls Measure; each number of ranks runs in processes of its own:
//
//	study, err := measure.Measure(ctx, config, measure.Rank{Ring: group, Open: openDevice, ...})
//
// All ranks get the same study of one number of ranks, with a point for each global batch. A Collection keeps the
// studies of all numbers of ranks and rounds, and makes one of them:
//
//	var all measure.Collection
//	all.Add(round, study)
//	report, err := scaling.Analyse(all.Study(batches))
//
// # What is measured
//
// The real training loop (package train) with a recorder of what each step does (package timeline): batches from the
// loader, forward, backward with the buckets on the ring, the optimizer. Warm-up steps come first and tell how many
// steps fit into the duration; all ranks take the same number. One more step, in which the loader starts, is dropped.
// The training set is cut to a multiple of the global batch, so that all steps are alike. Evaluation at the end of an
// epoch is not part of any step.
//
// Then the ring alone: all-reduces of a few sizes, in place, with package collective, which also checks their sums.
//
// # Rounds
//
// The speed of a shared machine differs from minute to minute. So all numbers of ranks are measured in several rounds;
// the point is that of the round with the best median step, and so is the time of an all-reduce. The spread of the
// rounds is kept beside it.
package measure
