package scaling

// Cause is what takes time from the step that compute could use.
type Cause string

// The causes. Compute is the desired one: nothing else takes a share worth mentioning.
const (
	Compute       Cause = "compute"
	Cores         Cause = "oversubscribed cores"
	Stragglers    Cause = "stragglers"
	Bandwidth     Cause = "bandwidth"
	Latency       Cause = "latency"
	Communication Cause = "communication" // bandwidth or latency, which without a fitted ring cannot be told apart
	SharedMemory  Cause = "shared memory"
	SmallBatch    Cause = "small batch"
	FixedWork     Cause = "fixed work"
	Input         Cause = "input"
	Unknown       Cause = "unknown" // no breakdown of the step was measured
)

// rule says how much of a step a cause takes, and from which share on it counts.
type rule struct {
	cause Cause
	from  float64                  // least share of the step that can limit
	lost  func(*situation) float64 // seconds of the step
	says  func(*situation) string  // the numbers behind it; the seconds and their share stand before it
	first bool                     // limits even where others take more, because it distorts them
	// advice is what to try.
	advice string
}

const (
	// lossesFrom is the share of the step that all losses together must take; below it, compute limits.
	lossesFrom = 0.05
	// fromShare is what a loss must take itself, and coresFrom where that of the cores distorts all others.
	fromShare, coresFrom = 0.02, 0.05
	// tieShare is how near a loss must come to the largest to limit beside it.
	tieShare = 0.80
	// mentionShare is the least share that a sentence mentions.
	mentionShare = 0.01
	// saturated is the fraction of the cores that counts as all.
	saturated = 0.90
)

// rules in the order in which equal losses are named.
var rules = []rule{
	{Cores, coresFrom, (*situation).coresLost, (*situation).coresSay, true,
		"Use fewer ranks or threads, or more cores; communication and stragglers cannot be judged before."},
	{Stragglers, fromShare, (*situation).stragglersLost, (*situation).stragglersSay, false,
		"Look at what else the slowest rank's machine does, and give all ranks the same work."},
	{Bandwidth, fromShare, (*situation).bandwidthLost, (*situation).bandwidthSay, false,
		"A smaller wire format, a larger batch per rank or a faster link helps; smaller buckets do not."},
	{Latency, fromShare, (*situation).latencyLost, (*situation).latencySay, false,
		"Fewer, larger buckets or a shorter path (hierarchical ring, tree) helps; a faster link does not."},
	{Communication, fromShare, (*situation).communicationLost, (*situation).communicationSay, false,
		"Measure all-reduces of several sizes on a quiet machine to learn whether it is bandwidth or latency."},
	{SharedMemory, fromShare, (*situation).memoryLost, (*situation).memorySay, false,
		"Spread the ranks over more machines, or use fewer ranks with more threads."},
	{SmallBatch, fromShare, (*situation).batchLost, (*situation).batchSay, false,
		"A larger global batch helps, or weak scaling."},
	{FixedWork, fromShare, (*situation).fixedLost, (*situation).fixedSay, false,
		"A larger batch per rank helps, or an optimizer whose work is sharded over the ranks."},
	{Input, fromShare, (*situation).inputLost, (*situation).inputSay, false,
		"Give the loader more threads, or store the images as the model takes them."},
}

// ruleOf is nil for Compute and Unknown.
func ruleOf(c Cause) *rule {
	for i := range rules {
		if rules[i].cause == c {
			return &rules[i]
		}
	}
	return nil
}
