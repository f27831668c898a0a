package allreduce

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"

	"ringloom/allreduce/codec"
)

// WireVersion is the version of the frame format (WIRE.md). All ranks of a job must speak the same.
const WireVersion = 4

// HeaderBytes is the size of a frame's header.
const HeaderBytes = 64

// maxAbortText bounds the text of an abort, in bytes.
const maxAbortText = 1 << 10

type frameKind uint8

const (
	frameData frameKind = iota + 1
	frameCredit
	frameBye
	frameAbort
)

// maxPayload bounds the payload of what is no data, in bytes; that of data is bounded by the chunk that is due.
func (k frameKind) maxPayload() int {
	if k == frameAbort {
		return maxAbortText
	}
	return 0
}

type opKind uint8

const (
	opAllReduce opKind = iota + 1
	opBroadcast
	opBarrier
	opAllGatherBytes
	opReduceScatter
	opAllGather
	opMirroredScatter
)

func (k opKind) String() string {
	switch k {
	case opAllReduce:
		return "all-reduce"
	case opBroadcast:
		return "broadcast"
	case opBarrier:
		return "barrier"
	case opAllGatherBytes:
		return "all-gather of bytes"
	case opReduceScatter:
		return "reduce-scatter"
	case opAllGather:
		return "all-gather"
	case opMirroredScatter:
		return "mirrored reduce-scatter"
	}
	return fmt.Sprintf("unknown collective %d", uint8(k))
}

// dtype says what a payload holds: bytes, nothing, or floats in the codec.Format of the same number.
type dtype uint8

const (
	dtypeNone  dtype = 0
	dtypeBytes dtype = 2
)

func (d dtype) String() string {
	switch d {
	case dtypeNone:
		return "nothing"
	case dtypeBytes:
		return "bytes"
	}
	return codec.Format(d).String()
}

// header is a frame's first HeaderBytes bytes; WIRE.md says what the fields mean.
type header struct {
	kind                        frameKind
	op                          opKind
	dtype                       dtype
	size, from, root            uint16
	view, seq, opSeq, total     uint64
	bucket, step, chunk, length uint32
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// ringMark is where the checksums of a ring's frames begin, so that a frame that strays to another ring or job is
// detected: the same header may be due there.
func ringMark(job string, ring int) uint32 {
	return crc32.Checksum(fmt.Appendf(nil, "%s %d", job, ring), castagnoli)
}

// putHeader fills frame[:HeaderBytes] for the payload that already follows it, checksum included.
func putHeader(frame []byte, h header, mark uint32) {
	putFields(frame, h)
	binary.LittleEndian.PutUint32(frame[4:], checksum(frame, mark))
}

// putFields fills frame[:HeaderBytes] but for the checksum, which is zero: a transport that seals frames finds damage
// itself.
func putFields(frame []byte, h header) {
	le := binary.LittleEndian
	frame[0], frame[1], frame[2], frame[3] = 'R', 'L', WireVersion, byte(h.kind)
	le.PutUint64(frame[8:], h.view)
	le.PutUint64(frame[16:], h.seq)
	le.PutUint64(frame[24:], h.opSeq)
	le.PutUint64(frame[32:], h.total)
	le.PutUint32(frame[40:], h.bucket)
	le.PutUint32(frame[44:], h.step)
	le.PutUint32(frame[48:], h.chunk)
	le.PutUint32(frame[52:], uint32(len(frame)-HeaderBytes))
	le.PutUint16(frame[56:], h.size)
	le.PutUint16(frame[58:], h.from)
	le.PutUint16(frame[60:], h.root)
	frame[62], frame[63] = byte(h.op), byte(h.dtype)
	le.PutUint32(frame[4:], 0)
}

// parseFrame checks and splits a frame. The payload shares memory with it. Errors match ErrCorrupt, or ErrProtocol for
// another version of the format.
func parseFrame(frame []byte, mark uint32) (header, []byte, error) {
	h, payload, err := parseFields(frame)
	if err != nil {
		return header{}, nil, err
	}
	if got, want := checksum(frame, mark), binary.LittleEndian.Uint32(frame[4:]); got != want {
		return header{}, nil, fmt.Errorf("%w: CRC-32C is %08x, the frame says %08x", ErrCorrupt, got, want)
	}
	return h, payload, nil
}

// parseFields is parseFrame without the checksum.
func parseFields(frame []byte) (header, []byte, error) {
	le := binary.LittleEndian
	if len(frame) < HeaderBytes {
		return header{}, nil, fmt.Errorf("%w: %d bytes are less than a header", ErrCorrupt, len(frame))
	}
	if frame[0] != 'R' || frame[1] != 'L' {
		return header{}, nil, fmt.Errorf("%w: starts with %#02x %#02x", ErrCorrupt, frame[0], frame[1])
	}
	if frame[2] != WireVersion {
		return header{}, nil, fmt.Errorf("%w: wire version %d, this rank speaks %d", ErrProtocol, frame[2], WireVersion)
	}
	if n := le.Uint32(frame[52:]); uint64(n) != uint64(len(frame)-HeaderBytes) {
		return header{}, nil, fmt.Errorf("%w: %d bytes of payload where %d were announced", ErrCorrupt, len(frame)-HeaderBytes, n)
	}
	return header{
		kind:   frameKind(frame[3]),
		view:   le.Uint64(frame[8:]),
		seq:    le.Uint64(frame[16:]),
		opSeq:  le.Uint64(frame[24:]),
		total:  le.Uint64(frame[32:]),
		bucket: le.Uint32(frame[40:]),
		step:   le.Uint32(frame[44:]),
		chunk:  le.Uint32(frame[48:]),
		length: le.Uint32(frame[52:]),
		size:   le.Uint16(frame[56:]),
		from:   le.Uint16(frame[58:]),
		root:   le.Uint16(frame[60:]),
		op:     opKind(frame[62]),
		dtype:  dtype(frame[63]),
	}, frame[HeaderBytes:], nil
}

// checksum covers everything but itself.
func checksum(frame []byte, mark uint32) uint32 {
	return crc32.Update(crc32.Update(mark, castagnoli, frame[:4]), castagnoli, frame[8:])
}
