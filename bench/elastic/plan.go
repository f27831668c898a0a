package elastic

import "math/rand/v2"

// Kind is what happens to a job.
type Kind string

// What there is. Joins follow from kills and leaves, returns from stops.
const (
	Kill   Kind = "kill"   // kill -9
	Stop   Kind = "stop"   // SIGSTOP, and SIGCONT once the others have gone on
	Leave  Kind = "leave"  // SIGTERM
	Join   Kind = "join"   // a new process joins
	Return Kind = "return" // one that was stopped joins again
)

// Kinds are all, in the order of the tables.
var Kinds = []Kind{Kill, Stop, Leave, Join, Return}

// Fault is something that is done to a rank.
type Fault struct {
	Kind  Kind
	Rank  int     // to whom
	After int     // steps since all are there again
	Phase float64 // of a step that then passes, from 0 to 1
}

// Plan is so many faults in random order, at random times, to random ranks, the leader included: a function of the configuration. Of two
// ranks only rank 1 is stopped, for it may not go on without rank 0 while that may be alive.
func Plan(c Config) []Fault {
	random := rand.New(rand.NewPCG(c.Seed, uint64(c.Ranks)))
	var all []Fault
	for kind, n := range []int{c.Kills, c.Stops, c.Leaves} {
		for range n {
			all = append(all, Fault{Kind: Kinds[kind]})
		}
	}
	random.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	for i := range all {
		f := &all[i]
		f.Rank, f.After, f.Phase = random.IntN(c.Ranks), 6+random.IntN(10), random.Float64()
		if f.Kind == Stop && c.Ranks == 2 {
			f.Rank = 1
		}
	}
	return all
}
