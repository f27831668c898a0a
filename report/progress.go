package report

import (
	"fmt"
	"io"

	"github.com/schollz/progressbar/v3"
)

// Progress shows one epoch as it runs: a bar that redraws itself on a terminal, else a line for each tenth.
type Progress struct {
	out   io.Writer
	bar   *progressbar.ProgressBar
	draw  bool
	epoch int // that is shown; the first may be under way already
	tenth int
}

// NewProgress writes to out; draw says that out is a terminal.
func NewProgress(out io.Writer, draw bool) *Progress { return &Progress{out: out, draw: draw} }

// Step shows step of steps in epoch, both from 1. loss is the last step's.
func (p *Progress) Step(epoch, step, steps int, loss float64) {
	begins := epoch != p.epoch
	p.epoch = epoch
	if p.draw {
		if begins {
			p.bar = progressbar.NewOptions(steps, progressbar.OptionSetWriter(p.out), progressbar.OptionClearOnFinish(),
				progressbar.OptionSetWidth(30), progressbar.OptionShowCount(), progressbar.OptionShowIts(),
				progressbar.OptionSetItsString("steps"), progressbar.OptionThrottle(100e6))
		}
		p.bar.Describe(fmt.Sprintf("epoch %d  loss %.4f", epoch, loss))
		p.bar.Set(step)
		return
	}
	if begins {
		p.tenth = (step - 1) * 10 / steps
	}
	if tenth := step * 10 / steps; tenth > p.tenth && step < steps {
		p.tenth = tenth
		fmt.Fprintf(p.out, "epoch %d  step %d/%d  loss %.4f\n", epoch, step, steps, loss)
	}
}
