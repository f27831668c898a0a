package allreduce

import (
	"ringloom/allreduce/codec"
	"ringloom/internal/split"
)

// operation is one collective on one rank: what is sent and received in which order, and how far that has come.
type operation struct {
	kind     opKind
	bucket   uint32
	root     int          // broadcast: the rank that has the values
	format   codec.Format // of the vector on the wire
	vector   []float32    // the caller's memory; nil for an all-gather of bytes and a barrier
	others   int          // elements of the caller's vector that other rings have
	residual []float32    // what earlier encodings of the vector have lost; nil without error feedback
	blocks   [][]byte     // all-gather of bytes: by rank; nil until the first chunk has arrived

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

// The ring steps of reduce-scatter are 0 to N-2, those of all-gather N-1 to 2N-3; an all-reduce has both, and a mirrored
// reduce-scatter the first of all-gather's. In the others they start at 0.

// begin puts the cursors at the first step.
func (o *operation) begin() {
	first := cursor{}
	if o.kind == opAllGather {
		first.step = o.size - 1
	}
	o.send, o.recv = first, first
}

// sendEnd is the ring step after the last in which this rank sends.
func (o *operation) sendEnd() int {
	if o.kind == opBroadcast {
		return oneUnless((o.rank+1)%o.size == o.root)
	}
	return o.ringEnd()
}

// recvEnd is the ring step after the last in which this rank receives.
func (o *operation) recvEnd() int {
	if o.kind == opBroadcast {
		return oneUnless(o.rank == o.root)
	}
	return o.ringEnd()
}

func (o *operation) ringEnd() int {
	switch o.kind {
	case opAllReduce, opAllGather:
		return 2 * (o.size - 1)
	case opMirroredScatter:
		return o.size
	}
	return o.size - 1
}

// adds says whether what is received in a ring step is added, rather than copied.
func (o *operation) adds(step int) bool {
	return step < o.size-1 && (o.kind == opReduceScatter || o.passesSums())
}

// passesSums says whether a finished sum goes on to other ranks in the same collective.
func (o *operation) passesSums() bool { return o.kind == opAllReduce || o.kind == opMirroredScatter }

// ownStep says whether what is sent in a ring step begins here, rather than at the rank before.
func (o *operation) ownStep(step int) bool {
	return step == 0 || o.kind == opAllGather && step == o.size-1
}

func oneUnless(none bool) int {
	if none {
		return 0
	}
	return 1
}

func (o *operation) sent() bool     { return o.send.step == o.sendEnd() }
func (o *operation) received() bool { return o.recv.step == o.recvEnd() }

// sendable says whether the data of the next chunk to send is there: a chunk is passed on once it has been received in
// the step before.
func (o *operation) sendable() bool {
	switch {
	case o.sent():
		return false
	case o.kind == opBroadcast:
		return o.rank == o.root || o.recv.after(0, o.send.chunk)
	case o.ownStep(o.send.step):
		return true
	}
	return o.recv.after(o.send.step-1, o.send.chunk)
}

// overwritable says whether the segment that is received in an all-gather step has already been sent from here, without
// which its sum cannot be complete.
func (o *operation) overwritable() bool {
	return !o.passesSums() || o.recv.step < o.size-1 || o.send.after(o.recv.step-(o.size-1), o.recv.chunk)
}

// sendBlock and recvBlock are the segments (or blocks) that go out and come in, in a ring step.
func (o *operation) sendBlock(step int) int { return mod(o.rank-step, o.size) }
func (o *operation) recvBlock(step int) int { return mod(o.rank-step-1, o.size) }

func mod(a, n int) int { return ((a % n) + n) % n }

// dtype is what the payload holds.
func (o *operation) dtype() dtype {
	switch o.kind {
	case opBarrier:
		return dtypeNone
	case opAllGatherBytes:
		return dtypeBytes
	}
	return dtype(o.format)
}

// chunkLen is the number of elements of a chunk.
func (o *operation) chunkLen() int { return max(1, o.format.Fit(o.chunkBytes)) }

// span is the part of the vector, in elements, that chunk c of a segment covers. The first L mod N segments are one
// longer.
func (o *operation) span(block, chunk int) (from, to int) {
	from, to = o.segment(block)
	return chunkSpan(from, to, chunk, o.chunkLen())
}

func (o *operation) segment(block int) (from, to int) {
	if o.kind == opBroadcast {
		return 0, len(o.vector)
	}
	return split.Part(len(o.vector), o.size, block)
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
	case opBarrier:
		return 1
	case opAllGatherBytes:
		items, size = len(o.blocks[block]), o.chunkBytes
	default:
		from, to := o.segment(block)
		items, size = to-from, o.chunkLen()
	}
	return max(1, (items+size-1)/size)
}

// total is the header field: the length that both ends must agree on.
func (o *operation) total(block int) uint64 {
	if o.kind == opAllGatherBytes {
		return uint64(len(o.blocks[block]))
	}
	return uint64(len(o.vector) + o.others)
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
	case opBarrier:
		return dst
	case opAllGatherBytes:
		from, to := chunkSpan(0, len(o.blocks[block]), o.send.chunk, o.chunkBytes)
		return append(dst, o.blocks[block][from:to]...)
	}
	from, to := o.span(block, o.send.chunk)
	n := len(dst)
	dst = dst[:n+o.format.Size(to-from)]
	o.encode(dst[n:], from, to)
	return dst
}

// encode puts elements of the vector into wire format. Where precision is lost, this rank takes over what the others
// will decode as soon as the sum is finished, for all must hold the same bits.
func (o *operation) encode(dst []byte, from, to int) {
	v, step := o.vector[from:to], o.send.step
	last := o.passesSums() && step == o.size-1
	if o.residual != nil && (step < o.size-1 || last) {
		o.format.EncodeResidual(dst, v, o.residual[from:to])
	} else {
		o.format.Encode(dst, v)
	}
	if last && o.format.Lossy() {
		o.format.Copy(v, dst)
	}
}
