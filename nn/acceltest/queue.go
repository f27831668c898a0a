package acceltest

// command is what the device has been told to do. Its memory is used again for a later one.
type command struct {
	do     func(*command) error
	device *Device
	kernel *kernel
	dst    [][]float32
	src    [][]float32
	staged []float32
	images images
	mark   *mark
}

// queue is a ring of commands that run in their order when somebody waits.
type queue struct {
	ring       []command
	added, ran uint64 // commands since the beginning
	origin     uint64 // the command that was or will be in the ring's first place
	err        error  // the first
}

// add queues a command, whose operands the caller fills in.
func (q *queue) add(do func(*command) error) *command {
	if q.added-q.ran == uint64(len(q.ring)) {
		larger := make([]command, 2*len(q.ring)+16)
		for i := q.ran; i < q.added; i++ {
			larger[i-q.ran] = *q.at(i)
		}
		q.ring, q.origin = larger, q.ran
	}
	c := q.at(q.added)
	q.added++
	c.do, c.dst, c.src = do, c.dst[:0], c.src[:0]
	return c
}

// run runs commands until so many have run since the beginning.
func (q *queue) run(until uint64) error {
	for q.ran < until && q.err == nil {
		c := q.at(q.ran)
		q.ran++
		q.fail(c.do(c))
	}
	if q.ran == q.added { // begin with the same places: they have the memory that the same commands need
		q.origin = q.added
	}
	return q.err
}

func (q *queue) at(number uint64) *command { return &q.ring[(number-q.origin)%uint64(len(q.ring))] }

// fail keeps the first error, and returns it.
func (q *queue) fail(err error) error {
	if q.err == nil {
		q.err = err
	}
	return q.err
}
