package natsring

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"

	"ringloom/allreduce"
)

func TestParserReadsWhatAServerSends(t *testing.T) {
	pool := allreduce.NewFramePool(64, 4)
	p := newParser(strings.NewReader("INFO {\"max_payload\":9}\r\nPING\r\nPONG\r\n+OK\r\n"+
		"MSG a.b 2 5\r\nhello\r\nMSG a.b 3 reply.to 0\r\n\r\nHMSG a 1 16 18\r\nNATS/1.0 503\r\n\r\nxy\r\n-ERR 'Stale Connection'\r\n"), pool)
	want := []event{
		{verb: verbInfo, text: []byte(`{"max_payload":9}`)}, {verb: verbPing}, {verb: verbPong}, {verb: verbOK},
		{verb: verbMessage, sid: 2, frame: []byte("hello")}, {verb: verbMessage, sid: 3},
		{verb: verbMessage, sid: 1, frame: []byte("xy")}, {verb: verbError, text: []byte("Stale Connection")},
	}
	for i, w := range want {
		got, err := p.next()
		if err != nil {
			t.Fatalf("event %d: %v", i, err)
		}
		if got.verb != w.verb || got.sid != w.sid || !bytes.Equal(got.frame, w.frame) || !bytes.Equal(got.text, w.text) {
			t.Errorf("event %d: got %+v, want %+v", i, got, w)
		}
	}
	if _, err := p.next(); err != io.EOF {
		t.Errorf("at the end: %v", err)
	}
}

func TestParserRefusesWhatDoesNotFit(t *testing.T) {
	for _, text := range []string{
		"HTTP/1.1 400 Bad Request\r\n", "MSG a\r\n", "MSG a 1 x\r\n", "MSG a 1 -1\r\n", "MSG a 1 65\r\n", "MSG a 1 2\r\nabc\r\n",
		"HMSG a 1 9 5\r\n", "MSG a 1 b c d e 5\r\n", strings.Repeat("x", 2*lineBytes) + "\r\n",
	} {
		if _, err := newParser(strings.NewReader(text), allreduce.NewFramePool(64, 1)).next(); !errors.Is(err, errSyntax) {
			t.Errorf("%.30q: %v", text, err)
		}
	}
}

func FuzzParser(f *testing.F) {
	f.Add([]byte("INFO {}\r\nMSG a 1 2\r\nab\r\nHMSG a 1 b 1 2\r\nxy\r\nPING\r\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		p := newParser(bytes.NewReader(data), allreduce.NewFramePool(64, 1))
		for {
			e, err := p.next()
			if err != nil {
				return
			}
			p.pool.Put(e.frame)
		}
	})
}
