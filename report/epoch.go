package report

import (
	"fmt"
	"strings"
	"text/tabwriter"
)

// EpochLine is the line that the course prints after an epoch. Accuracies are fractions.
func EpochLine(epoch int, loss, trainAccuracy, testAccuracy, seconds float64) string {
	return fmt.Sprintf("epoch %d, loss %.4f, train acc %.3f, test acc %.3f, time %.1f sec",
		epoch, loss, trainAccuracy, testAccuracy, seconds)
}

// UpdateLine follows the epoch line where the updates vary: the learning rate of the last step, and the norm of the averaged gradient
// before clipping over the epoch's steps, left out where the mean is 0.
func UpdateLine(rate, normMean, normMax float64) string {
	line := fmt.Sprintf("learning rate %.3g", rate)
	if normMean > 0 {
		line += fmt.Sprintf(", gradient norm mean %.3g, max %.3g", normMean, normMax)
	}
	return line
}

// RankRow is one rank's epoch in the table. Times are in seconds; Images counts training samples.
type RankRow struct {
	Rank                                                         int
	Node, Device                                                 string
	Images                                                       int
	Data, Forward, Backward, ExposedComm, Optimizer, Eval, Total float64
}

// Table shows where each rank's time went. The last row adds up the speeds and gives the mean of the times; exposed
// communication is the wait for the ring that the backward pass did not hide.
func Table(rows []RankRow) string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "rank\timages/s\tdata s\tforward s\tbackward s\texposed comm s\toptimizer s\teval s\tdevice\tnode\t")
	var mean RankRow
	var speed float64
	n := float64(len(rows))
	for _, r := range rows {
		perSecond := float64(r.Images) / r.Total
		speed += perSecond
		writeRow(w, fmt.Sprint(r.Rank), perSecond, r)
		mean.Data += r.Data / n
		mean.Forward += r.Forward / n
		mean.Backward += r.Backward / n
		mean.ExposedComm += r.ExposedComm / n
		mean.Optimizer += r.Optimizer / n
		mean.Eval += r.Eval / n
	}
	writeRow(w, "sum, mean", speed, mean)
	w.Flush()
	return b.String()
}

func writeRow(w *tabwriter.Writer, rank string, perSecond float64, r RankRow) {
	fmt.Fprintf(w, "%s\t%.0f\t%.2f\t%.2f\t%.2f\t%.2f\t%.2f\t%.2f\t%s\t%s\t\n",
		rank, perSecond, r.Data, r.Forward, r.Backward, r.ExposedComm, r.Optimizer, r.Eval, r.Device, r.Node)
}
