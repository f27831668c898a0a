package allreduce

import (
	"errors"
	"strings"
	"testing"
)

// What is no data has a bounded payload, and its text cannot command the terminal of who reads it.
func TestControlFramesAreBounded(t *testing.T) {
	cfg := DefaultConfig()
	cfg.Job, cfg.WorldSize = "job", 2
	for _, c := range []struct {
		kind    frameKind
		payload string
		want    error
		says    string
	}{
		{frameAbort, "lost \x1b[2Jits\nway\xff", ErrAborted, "lost  [2Jits way?"},
		{frameAbort, strings.Repeat("x", maxAbortText+1), ErrProtocol, "1025 bytes; 1024 are the most"},
		{frameBye, "x", ErrProtocol, "1 bytes; 0 are the most"},
		{frameCredit, strings.Repeat("x", 1<<18), ErrProtocol, "262144 bytes; 0 are the most"},
	} {
		m := newMachine(cfg, 0, func([]byte) {})
		frame := append(make([]byte, HeaderBytes), c.payload...)
		putHeader(frame, header{kind: c.kind, size: 2, from: 1}, m.mark)
		err := m.receive(Next, arrival{frame: frame})
		if !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("kind %d: %v, want %q", c.kind, err, c.says)
		}
	}
}

// A frame that the transport has sealed has no checksum, and one that it has not needs one.
func TestOnlySealedFramesNeedNoChecksum(t *testing.T) {
	cfg := DefaultConfig()
	cfg.Job, cfg.WorldSize = "job", 2
	for _, sealed := range []bool{true, false} {
		m := newMachine(cfg, 0, func([]byte) {})
		frame := make([]byte, HeaderBytes)
		putFields(frame, header{kind: frameBye, size: 2, from: 1})
		if err := m.receive(Next, arrival{frame, sealed}); sealed && err != nil || !sealed && !errors.Is(err, ErrCorrupt) {
			t.Errorf("sealed %v: %v", sealed, err)
		}
	}
}
