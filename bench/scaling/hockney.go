package scaling

import "math"

// link is a connection in Hockney's model: a message of m bytes takes alpha + beta m.
type link struct {
	alpha float64 // seconds per message: latency, and what every message costs at both ends
	beta  float64 // seconds per byte: one over the bandwidth
}

func (l link) send(bytes float64) float64 { return l.alpha + l.beta*bytes }

// The algorithms whose time is predicted.
const (
	Ring             = "ring"
	HierarchicalRing = "hierarchical ring"
	DoubleTree       = "double binary tree"
)

// ringTime is that of an all-reduce on a ring: N-1 messages of B/N bytes in the reduce-scatter, N-1 in the all-gather
// (Patarasu and Yuan, 2009).
func ringTime(ranks int, bytes float64, l link) float64 {
	n := float64(ranks)
	return 2 * (n - 1) * l.send(bytes/n)
}

// hierarchicalTime is that of a reduce-scatter on a ring inside each node, an all-reduce of every rank's part on a ring
// over the nodes, all parts at once, and an all-gather inside the node. A node has group ranks at most.
func hierarchicalTime(ranks, group int, bytes float64, intra, inter link) float64 {
	group = min(group, ranks)
	nodes := (ranks + group - 1) / group
	return ringTime(group, bytes, intra) + ringTime(nodes, bytes/float64(group), inter)
}

// doubleTreeTime is that of a reduction up two complementary binary trees and a broadcast down, half of the bytes on
// each tree, in the best number k of blocks a half: 2 (log2 N + k) messages each way (Sanders, Speck and Träff, 2009).
func doubleTreeTime(ranks int, bytes float64, l link) float64 {
	if ranks < 2 {
		return 0
	}
	height := math.Ceil(math.Log2(float64(ranks)))
	blocks := 1.0
	if l.alpha > 0 {
		blocks = max(1, math.Round(math.Sqrt(height*l.beta*bytes/(2*l.alpha))))
	} else {
		blocks = max(1, bytes/2) // messages cost nothing, so a block is a byte
	}
	return 2 * 2 * (height + blocks) * l.send(bytes/(2*blocks))
}
