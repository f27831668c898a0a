// Package scaling explains how a job scales: from measured steps and all-reduces at several numbers of ranks it derives
// speed-up and efficiency, a model of the ring, predictions for more ranks, and the bottlenecks.
//
//	report, err := scaling.Analyse(scaling.Study{Points: points, Collectives: collectives, ...})
//	err = scaling.WriteText(os.Stdout, report)
//
// It is pure: it measures nothing, imports no other package of the project, starts no goroutine and reads no clock. The
// same study gives the same report.
//
// # Inside
//
// hockney.go has the algorithms' times over a link of latency alpha and bandwidth 1/beta, fit.go finds alpha and beta,
// overlap.go hides a step's buckets behind backward, and predict.go puts the three together. rules.go is the table of
// the causes with the shares from which they limit; situation.go says how each is computed, sentences.go what is said
// of it.
//
// # Measured and predicted
//
// Only Outlook holds what was not measured. Each output marks it: a column and headings in the text, a field in the
// JSON, dashed lines in plots of their own on the page. Where the model is missing or poor, there is a reason in its
// place.
package scaling
