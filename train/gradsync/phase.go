package gradsync

import "fmt"

// phase is where a step is. The verbs move it on:
//
//	idle --Begin--> computing --Announce--> announced --Wait--> summed --Commit--> idle
//
// Accumulate and Ready leave computing as it is, Ready and Flush announced, Norm summed. Abort leads from everywhere to
// idle, and Follow from summed.
type phase uint8

const (
	idle phase = iota
	computing
	announced
	summed
)

func (p phase) String() string { return [...]string{"idle", "computing", "announced", "summed"}[p] }

// verb is a call that moves a phase on.
type verb uint8

const (
	begin verb = iota
	accumulate
	announce
	ready
	flush
	wait
	norm
	commit
	abort
	follow
)

func (v verb) String() string {
	return [...]string{"Begin", "Accumulate", "Announce", "Ready", "Flush", "Wait", "Norm", "Commit", "Abort", "Follow"}[v]
}

// transitions are the phases that a verb leads to, by the phase before.
var transitions = map[verb]map[phase]phase{
	begin:      {idle: computing},
	accumulate: {computing: computing},
	announce:   {computing: announced},
	ready:      {computing: computing, announced: announced},
	flush:      {announced: announced},
	wait:       {announced: summed},
	norm:       {summed: summed},
	commit:     {summed: idle},
	follow:     {summed: idle},
	abort:      {idle: idle, computing: idle, announced: idle, summed: idle},
}

// next is the phase behind a verb; it is false where the verb is out of order.
func (p phase) next(v verb) (phase, bool) {
	after, ok := transitions[v][p]
	return after, ok
}

// enter moves s on, and panics where its caller has the verbs in the wrong order.
func (s *Sync) enter(v verb) {
	after, ok := s.phase.next(v)
	if !ok {
		panic(fmt.Sprintf("gradsync: %v while the step is %v", v, s.phase))
	}
	s.phase = after
}
