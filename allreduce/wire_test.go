package allreduce

import (
	"bytes"
	"errors"
	"testing"

	"ringloom/allreduce/codec"
)

func FuzzFrameRoundTrip(f *testing.F) {
	f.Add(uint8(1), uint8(1), uint8(1), uint16(3), uint64(5), uint64(9), uint32(7), []byte("payload"))
	f.Add(uint8(2), uint8(0), uint8(0), uint16(0), uint64(0), uint64(1<<63), uint32(0), []byte{})
	f.Fuzz(func(t *testing.T, kind, op, typ uint8, small uint16, a, b uint64, c uint32, payload []byte) {
		want := header{
			kind: frameKind(kind), op: opKind(op), dtype: dtype(typ), size: small, from: small / 2, root: small / 3,
			view: a, seq: b, opSeq: a ^ b, total: a + b, bucket: c, step: c / 2, chunk: c / 3, length: uint32(len(payload)),
		}
		frame := append(make([]byte, HeaderBytes), payload...)
		putHeader(frame, want, c)
		got, rest, err := parseFrame(frame, c)
		if err != nil || got != want || !bytes.Equal(rest, payload) {
			t.Fatalf("got %+v %v %v, want %+v", got, rest, err, want)
		}
		frame[int(a%uint64(len(frame)))] ^= 1 << (b % 8)
		if got, _, err := parseFrame(frame, c); err == nil {
			t.Fatalf("a flipped bit went unnoticed: %+v", got)
		}
	})
}

func TestAFlippedBitAnywhereIsFound(t *testing.T) {
	mark := ringMark("job", 1)
	frame := append(make([]byte, HeaderBytes), "some payload"...)
	putHeader(frame, header{kind: frameData, view: 3, seq: 5, op: opAllReduce, size: 4, from: 1}, mark)
	for bit := range 8 * len(frame) {
		frame[bit/8] ^= 1 << (bit % 8)
		_, _, err := parseFrame(frame, mark)
		if !errors.Is(err, ErrCorrupt) && !(errors.Is(err, ErrProtocol) && bit/8 == 2) { // byte 2 is the version
			t.Errorf("bit %d of byte %d: %v", bit%8, bit/8, err)
		}
		frame[bit/8] ^= 1 << (bit % 8)
	}
	for length := range frame {
		if _, _, err := parseFrame(frame[:length], mark); !errors.Is(err, ErrCorrupt) {
			t.Errorf("cut to %d bytes: %v", length, err)
		}
	}
	if _, _, err := parseFrame(append(frame, 0), mark); !errors.Is(err, ErrCorrupt) {
		t.Errorf("with a byte more: %v", err)
	}
	if _, _, err := parseFrame(frame, mark); err != nil {
		t.Errorf("undamaged: %v", err)
	}
}

// Between rings that share a vector a frame's header is the same, so a frame that strayed would be taken for the one
// due.
func TestAFrameOfAnotherRingOrJobIsFound(t *testing.T) {
	cfg := DefaultConfig()
	cfg.Job, cfg.WorldSize = "job", 2
	frameOf := func(job string, ring int) []byte {
		c := cfg
		c.Job, c.Rank = job, 1
		m := newMachine(c, ring, func([]byte) {})
		if err := m.start(&operation{kind: opBroadcast, format: codec.Float32, vector: []float32{1}, root: 1}); err != nil {
			t.Fatal(err)
		}
		_, frame, ok := m.next(func(Peer) []byte { return make([]byte, 0, c.FrameBytes()) })
		if !ok {
			t.Fatal("no frame")
		}
		return frame
	}
	for _, c := range []struct {
		job  string
		ring int
		want error
	}{{"job", 1, nil}, {"job", 0, ErrCorrupt}, {"job", 11, ErrCorrupt}, {"job 1", 1, ErrCorrupt}, {"bob", 1, ErrCorrupt}} {
		m := newMachine(cfg, 1, func([]byte) {})
		if err := m.start(&operation{kind: opBroadcast, format: codec.Float32, vector: []float32{0}, root: 1}); err != nil {
			t.Fatal(err)
		}
		if err := m.receive(Prev, arrival{frame: frameOf(c.job, c.ring)}); !errors.Is(err, c.want) {
			t.Errorf("a frame of ring %d of %q in ring 1 of %q: %v", c.ring, c.job, cfg.Job, err)
		}
	}
}

func FuzzParseFrame(f *testing.F) {
	frame := make([]byte, HeaderBytes+5)
	putHeader(frame, header{kind: frameData}, 0)
	f.Add(frame)
	f.Add([]byte("RL"))
	f.Fuzz(func(t *testing.T, frame []byte) {
		_, payload, err := parseFrame(frame, 0)
		if err == nil && len(payload) != len(frame)-HeaderBytes {
			t.Fatal("payload has the wrong length")
		}
		if err != nil && !errors.Is(err, ErrCorrupt) && !errors.Is(err, ErrProtocol) {
			t.Fatalf("untyped error %v", err)
		}
	})
}

// FuzzReceive feeds a machine with frames whose checksum is right and whose fields are not: it may refuse, never panic.
func FuzzReceive(f *testing.F) {
	f.Add(uint8(1), uint8(1), uint8(1), uint64(1), uint64(1), uint64(10), uint32(0), uint32(0), uint32(0), []byte("01234567"))
	f.Add(uint8(1), uint8(4), uint8(2), uint64(1), uint64(1), uint64(1<<40), uint32(0), uint32(0), uint32(0), []byte("x"))
	f.Fuzz(func(t *testing.T, kind, op, typ uint8, seq, opSeq, total uint64, bucket, step, chunk uint32, payload []byte) {
		for _, o := range []*operation{
			{kind: opAllReduce, format: codec.Int8, vector: make([]float32, 10)},
			{kind: opReduceScatter, format: codec.BF16, vector: make([]float32, 10)},
			{kind: opMirroredScatter, format: codec.BF16, vector: make([]float32, 10)},
			{kind: opAllGather, format: codec.Float32, vector: make([]float32, 10)},
			{kind: opBroadcast, format: codec.Float32, vector: make([]float32, 10), root: 1},
			{kind: opAllGatherBytes, blocks: make([][]byte, 3)},
			{kind: opBarrier},
		} {
			cfg := DefaultConfig()
			cfg.WorldSize = 3
			m := newMachine(cfg, 0, func([]byte) {})
			if err := m.start(o); err != nil {
				t.Fatal(err)
			}
			for _, from := range []Peer{Prev, Next} {
				frame := append(make([]byte, HeaderBytes), payload...)
				putHeader(frame, header{
					kind: frameKind(kind), op: opKind(op), dtype: dtype(typ), size: 3, from: uint16(m.rankOf(from)),
					seq: seq, opSeq: opSeq, total: total, bucket: bucket, step: step, chunk: chunk,
				}, m.mark)
				err := m.receive(from, arrival{frame, step%2 == 0})
				var e *Error
				if err != nil && !errors.As(err, &e) {
					t.Fatalf("untyped error %v", err)
				}
				if err != nil {
					break
				}
			}
		}
	})
}

// FuzzAccept hands an operation any header and payload: only exactly what is due moves it on, by one chunk, and nothing
// else changes the vector.
func FuzzAccept(f *testing.F) {
	f.Add(uint8(opAllReduce), uint8(codec.Float32), uint8(0), uint64(1), uint64(10), uint16(0), uint32(0), uint32(0), uint32(0), make([]byte, 12))
	f.Add(uint8(opReduceScatter), uint8(codec.Int8), uint8(3), uint64(1), uint64(10), uint16(0), uint32(0), uint32(0), uint32(0), make([]byte, 7))
	f.Add(uint8(opAllGatherBytes), uint8(dtypeBytes), uint8(0), uint64(1), uint64(1<<40), uint16(0), uint32(0), uint32(0), uint32(0), []byte("x"))
	f.Add(uint8(opBarrier), uint8(dtypeNone), uint8(0), uint64(1), uint64(0), uint16(0), uint32(0), uint32(0), uint32(0), []byte{})
	f.Fuzz(func(t *testing.T, kind, typ, format uint8, opSeq, total uint64, root uint16, bucket, step, chunk uint32, payload []byte) {
		h := header{
			kind: frameData, op: opKind(kind), dtype: dtype(typ), opSeq: opSeq, total: total, root: root, bucket: bucket, step: step,
			chunk: chunk, length: uint32(len(payload)),
		}
		for kind := opAllReduce; kind <= opMirroredScatter; kind++ {
			o := &operation{kind: kind, bucket: 0, seq: 1, rank: 1, size: 3, chunkBytes: 64}
			switch kind {
			case opAllGatherBytes:
				o.blocks = [][]byte{nil, []byte("mine"), nil}
			case opBarrier:
			case opBroadcast, opAllGather:
				o.format, o.vector = codec.Float32, make([]float32, 10)
			default:
				o.format, o.vector = codec.Formats()[int(format)%len(codec.Formats())], make([]float32, 10)
			}
			o.begin()
			due := o.recv
			err := o.accept(h, payload)
			if err == nil {
				if o.recv == due || h.op != kind || int(h.step) != due.step || int(h.chunk) != due.chunk {
					t.Fatalf("%v at %+v took %+v and went on to %+v", kind, due, h, o.recv)
				}
				continue
			}
			if !errors.Is(err, ErrMismatch) && !errors.Is(err, ErrProtocol) {
				t.Fatalf("%v: untyped error %v", kind, err)
			}
			if o.recv != due {
				t.Fatalf("%v went on to %+v although %v", kind, o.recv, err)
			}
			for i, v := range o.vector {
				if v != 0 {
					t.Fatalf("%v: element %d is %v although %v", kind, i, v, err)
				}
			}
		}
	})
}
