package train

import (
	"ringloom/nn/exec"
	"ringloom/train/gradsync"
)

// ledger is what a rank knows of the epoch under way: its own part, and, in an elastic run, what every other rank has told in each step, so
// that nothing of the epoch is lost with a rank.
type ledger struct {
	epoch  int // from 1; 0 where none is open
	own    RankEpoch
	norms  norms       // of the epoch's steps, where it clips
	others []RankEpoch // by rank: counts and losses alone; this rank's own is unused

	last RankEpoch // this rank's part of the epoch before
}

// open begins an epoch of so many steps, unless it is open.
func (l *ledger) open(epoch, rank, world, steps int) {
	if l.epoch == epoch {
		return
	}
	*l = ledger{epoch: epoch, last: l.last, own: RankEpoch{Rank: rank, StepLoss: make([]float64, 0, steps)}, others: make([]RankEpoch, world)}
}

// close ends the epoch.
func (l *ledger) close() { *l = ledger{last: l.own} }

// reopen goes back to the epoch before, unless it is open, for not every rank has dealt with its end. What others told in it is forgotten,
// until resume.
func (l *ledger) reopen(epoch int) {
	if l.epoch != epoch {
		*l = ledger{epoch: epoch, own: l.last}
	}
}

// resume goes on with an epoch of which every rank of the world has told its part.
func (l *ledger) resume(epoch, rank int, ranks []Partial) {
	*l = ledger{epoch: epoch, own: ranks[rank].RankEpoch, norms: ranks[rank].Norms, last: l.last, others: make([]RankEpoch, len(ranks))}
	l.own.Rank = rank
	for r, p := range ranks {
		l.others[r] = p.RankEpoch
	}
}

// add books a step of this rank's n samples.
func (l *ledger) add(at place, n int, s exec.Stats) {
	l.own.Samples += n
	l.own.Correct += s.Correct
	l.own.StepLoss = append(l.own.StepLoss, s.Loss)
	l.own.LossSum += s.Loss * float64(at.globalLen)
}

// hear books what all ranks have told of a step.
func (l *ledger) hear(at place, reports []gradsync.Report) {
	for rank, r := range reports {
		if rank >= len(l.others) { // no epoch is open
			return
		}
		o := &l.others[rank]
		o.Samples += r.Samples
		o.Correct += r.Correct
		o.StepLoss = append(o.StepLoss, r.Loss)
		o.LossSum += r.Loss * float64(at.globalLen)
	}
}

// partial is what this rank has of the epoch so far.
func (l *ledger) partial() *Partial { return &Partial{l.own, l.norms} }

// lost adds up what ranks of the view have told that are not in the next one, of which former has the ranks that its members had.
func (l *ledger) lost(former []int) RankEpoch {
	stays := make([]bool, len(l.others))
	for _, rank := range former {
		if rank >= 0 && rank < len(stays) {
			stays[rank] = true
		}
	}
	sum := RankEpoch{StepLoss: make([]float64, len(l.own.StepLoss))}
	for rank, o := range l.others {
		if !stays[rank] && len(o.StepLoss) == len(sum.StepLoss) {
			sum.take(o)
		}
	}
	return sum
}
