package cluster

import "time"

// next: this rank's work in the view of that generation has stopped.
func (c *core) next(now time.Time, generation uint64, leaving bool) {
	if c.view == nil || c.view.Generation != generation || c.phase != running {
		return
	}
	c.phase = ended
	c.out = append(c.out, end{ErrViewChange})
}

// nextReached says whether there is a view after that of the generation, or why there is none.
func (c *core) nextReached(generation uint64) (bool, error) {
	if c.stalled != nil {
		return true, c.stalled
	}
	return c.view != nil && c.view.Generation > generation, nil
}

// liveAddrs lists the addresses of the view's members that are alive, this node's last.
func (c *core) liveAddrs() []string {
	var out []string
	if c.view != nil {
		for _, m := range c.view.Members {
			if c.peers[m.ID] != nil {
				out = append(out, m.Addr)
			}
		}
	}
	return append(out, c.self.Addr)
}
