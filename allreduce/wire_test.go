package allreduce

import (
	"bytes"
	"errors"
	"testing"
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
			{kind: opAllReduce, vector: make([]float32, 10)},
			{kind: opBroadcast, vector: make([]float32, 10), root: 1},
			{kind: opGather, blocks: make([][]byte, 3)},
			{kind: opBarrier},
		} {
			cfg := DefaultConfig()
			cfg.Size = 3
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
				err := m.receive(from, frame)
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
