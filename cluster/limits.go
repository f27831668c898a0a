package cluster

import (
	"fmt"

	"ringloom/internal/sysinfo"
)

const (
	// minOpenFiles leaves a run its files, its ring and its libraries beside what strangers may hold open.
	minOpenFiles = 128
	// spareNodes beyond twice the ranks is how many nodes gossip may know: late ones, refused ones, dead ones.
	spareNodes = 256
	// stateBytes is more than a node takes in the state that nodes exchange: name, address, metadata of 512 bytes.
	stateBytes = 1 << 10
)

// maxNodes is how many nodes gossip keeps, dead ones included.
func maxNodes(worldSize int) int { return 2*worldSize + spareNodes }

// maxStreamBytes is more than the longest stream of a member: the state of all nodes, or the largest message.
func maxStreamBytes(worldSize int) int64 {
	const around = 4 << 10 // of memberlist, of encryption
	return int64(around + max(stateBytes*maxNodes(worldSize), sealBytes+maxFrameBytes(worldSize)))
}

// maxStreams is how many connections may be open at the gossip port: 256, and no more than a quarter of what this
// process may open, so that its own files and the ring keep theirs.
func maxStreams() int {
	if n := sysinfo.OpenFiles(); n > 0 {
		return min(256, n/4)
	}
	return 256
}

// checkOpenFiles refuses to start where strangers could leave the run without files.
func checkOpenFiles(limit int) error {
	if limit > 0 && limit < minOpenFiles {
		return fmt.Errorf("cluster: this process may have %d files and connections open at the same time, and needs %d: raise the limit with ulimit -n", limit, minOpenFiles)
	}
	return nil
}
