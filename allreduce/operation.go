package allreduce

// operation is one collective on one rank: what is sent and received in which order, and how far that has come.
type operation struct {
	kind   opKind
	bucket uint32
	root   int       // broadcast: the rank that has the values
	vector []float32 // all-reduce, broadcast: the caller's memory
	blocks [][]byte  // gather: by rank; nil until the first chunk has come

	seq        uint64 // number of the collective in this view, from 1
	rank, size int
	chunkBytes int
	send, recv cursor // the next chunk to send, the next chunk due
}

// cursor is a position in an operation's chunk stream, which is ordered by step, then by chunk.
type cursor struct{ step, chunk int }

// after says whether the chunk (step, chunk) lies before c, that is, has been passed.
func (c cursor) after(step, chunk int) bool {
	return c.step > step || c.step == step && c.chunk > chunk
}

// sendSteps is the number of ring steps in which this rank sends.
func (o *operation) sendSteps() int {
	if o.kind == opBroadcast {
		return oneUnless((o.rank+1)%o.size == o.root)
	}
	return o.ringSteps()
}

// recvSteps is the number of ring steps in which this rank receives.
func (o *operation) recvSteps() int {
	if o.kind == opBroadcast {
		return oneUnless(o.rank == o.root)
	}
	return o.ringSteps()
}

func (o *operation) ringSteps() int {
	if o.kind == opAllReduce {
		return 2 * (o.size - 1)
	}
	return o.size - 1
}

func oneUnless(none bool) int {
	if none {
		return 0
	}
	return 1
}

func (o *operation) sent() bool     { return o.send.step == o.sendSteps() }
func (o *operation) received() bool { return o.recv.step == o.recvSteps() }

// sendable says whether the data of the next chunk to send is there: a chunk is passed on once it was received in the step before.
func (o *operation) sendable() bool {
	switch {
	case o.sent():
		return false
	case o.kind == opBroadcast:
		return o.rank == o.root || o.recv.after(0, o.send.chunk)
	case o.send.step == 0:
		return true
	}
	return o.recv.after(o.send.step-1, o.send.chunk)
}

// overwritable says whether the segment that is received in an all-gather step was sent from here before, as it must have been
// for its sum to be complete.
func (o *operation) overwritable() bool {
	return o.kind != opAllReduce || o.recv.step < o.size-1 || o.send.after(o.recv.step-(o.size-1), o.recv.chunk)
}

// sendBlock and recvBlock are the segments (or blocks) that go out and come in, in a ring step.
func (o *operation) sendBlock(step int) int { return mod(o.rank-step, o.size) }
func (o *operation) recvBlock(step int) int { return mod(o.rank-step-1, o.size) }

func mod(a, n int) int { return ((a % n) + n) % n }

// dtype is what the payload holds.
func (o *operation) dtype() dtype {
	switch o.kind {
	case opAllReduce, opBroadcast:
		return dtypeFloat32
	case opGather:
		return dtypeBytes
	}
	return dtypeNone
}

// span is the part of the vector, in elements, that chunk c of a segment covers. The first L mod N segments are one longer.
func (o *operation) span(block, chunk int) (from, to int) {
	from, to = o.segment(block)
	return chunkSpan(from, to, chunk, o.chunkBytes/4)
}

func (o *operation) segment(block int) (from, to int) {
	if o.kind == opBroadcast {
		return 0, len(o.vector)
	}
	base, longer := len(o.vector)/o.size, len(o.vector)%o.size
	from = block*base + min(block, longer)
	to = from + base
	if block < longer {
		to++
	}
	return from, to
}

// chunkSpan is chunk c of [from, to) when chunks have size items.
func chunkSpan(from, to, c, size int) (int, int) {
	start := min(from+c*size, to)
	return start, min(start+size, to)
}

// chunks is the number of chunks of a segment or block, at least one.
func (o *operation) chunks(block int) int {
	var items, size int
	switch o.kind {
	case opAllReduce, opBroadcast:
		from, to := o.segment(block)
		items, size = to-from, o.chunkBytes/4
	case opGather:
		items, size = len(o.blocks[block]), o.chunkBytes
	case opBarrier:
		return 1
	}
	return max(1, (items+size-1)/size)
}

// total is the header field: the length that both ends must agree on.
func (o *operation) total(block int) uint64 {
	switch o.kind {
	case opAllReduce, opBroadcast:
		return uint64(len(o.vector))
	case opGather:
		return uint64(len(o.blocks[block]))
	}
	return 0
}

func (o *operation) advanceSend() {
	o.send.chunk++
	if o.send.chunk == o.chunks(o.sendBlock(o.send.step)) {
		o.send = cursor{step: o.send.step + 1}
	}
}

func (o *operation) advanceRecv() {
	o.recv.chunk++
	if o.recv.chunk == o.chunks(o.recvBlock(o.recv.step)) {
		o.recv = cursor{step: o.recv.step + 1}
	}
}

// appendChunk appends the payload of the next chunk to send.
func (o *operation) appendChunk(dst []byte) []byte {
	block := o.sendBlock(o.send.step)
	switch o.kind {
	case opAllReduce, opBroadcast:
		from, to := o.span(block, o.send.chunk)
		return appendFloats(dst, o.vector[from:to])
	case opGather:
		from, to := chunkSpan(0, len(o.blocks[block]), o.send.chunk, o.chunkBytes)
		return append(dst, o.blocks[block][from:to]...)
	}
	return dst
}
