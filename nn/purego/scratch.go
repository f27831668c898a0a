package purego

// scratch is memory that all kernels of a device use in turn, for one runs at a time. Compiling reserves it, so that
// running allocates nothing.
type scratch struct{ memory []float64 }

func (s *scratch) reserve(n int) {
	if n > len(s.memory) {
		s.memory = make([]float64, n)
	}
}

// cut divides the memory: each call returns the next n elements.
type cut struct{ rest []float64 }

func (s *scratch) cut() cut { return cut{s.memory} }

func (c *cut) next(n int) []float64 {
	head := c.rest[:n:n]
	c.rest = c.rest[n:]
	return head
}
