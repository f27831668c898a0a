package natsringtest

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
)

// through sends text through an armed proxy and returns what comes out at the server.
func through(t *testing.T, f Faults, text string) string {
	t.Helper()
	server, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	p, err := Listen(server.Addr().String(), f)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	p.Arm()
	client, err := net.Dial("tcp", p.Addr())
	if err != nil {
		t.Fatal(err)
	}
	conn, err := server.Accept()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(client, text); err != nil {
		t.Fatal(err)
	}
	if err := client.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(conn)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, "PONG\r\n"); err != nil {
		t.Fatal(err)
	}
	return string(got)
}

const (
	first  = "PUB a.b reply 5\r\nhello\r\n"
	second = "PUB a.b 6\r\nworld!\r\n"
	text   = "CONNECT {}\r\nSUB a 1\r\n" + first + "PING\r\n" + second
)

func TestEachFaultDoesWhatItSays(t *testing.T) {
	for name, c := range map[string]struct {
		faults Faults
		want   string
	}{
		"none":      {Faults{}, text},
		"drop":      {Faults{Drop: 1}, "CONNECT {}\r\nSUB a 1\r\nPING\r\n"},
		"duplicate": {Faults{Duplicate: 1}, "CONNECT {}\r\nSUB a 1\r\n" + first + first + "PING\r\n" + second + second},
		"reorder":   {Faults{Reorder: 1}, "CONNECT {}\r\nSUB a 1\r\nPING\r\n" + second + first},
		"delay":     {Faults{Delay: 1, MaxDelay: 1000}, text},
	} {
		if got := through(t, c.faults, text); got != c.want {
			t.Errorf("%s: got %q", name, got)
		}
	}
}

func TestDamageIsSmall(t *testing.T) {
	for seed := range uint64(20) {
		got := through(t, Faults{Seed: seed, Corrupt: 1}, first)
		if len(got) != len(first) || !strings.HasPrefix(got, first[:17]) || differences(got, first) != 1 {
			t.Errorf("seed %d, corrupt: %q", seed, got)
		}
		if got = through(t, Faults{Seed: seed, Raw: 1}, first); len(got) != len(first) || differences(got, first) != 1 {
			t.Errorf("seed %d, raw: %q", seed, got)
		}
		if got = through(t, Faults{Seed: seed, Cut: 1}, first); len(got) >= len(first) || !strings.HasPrefix(first, got) {
			t.Errorf("seed %d, cut: %q", seed, got)
		}
		var size int
		got = through(t, Faults{Seed: seed, Truncate: 1}, first)
		if _, err := fmt.Sscanf(got, "PUB a.b reply %d", &size); err != nil || size >= 5 || got != fmt.Sprintf("PUB a.b reply %d\r\n%s\r\n", size, "hello"[:size]) {
			t.Errorf("seed %d, truncate: %q, %v", seed, got, err)
		}
	}
}

func differences(a, b string) int {
	n := 0
	for i := range a {
		if a[i] != b[i] {
			n++
		}
	}
	return n
}

func FuzzReadMessage(f *testing.F) {
	f.Add([]byte(text))
	f.Fuzz(func(t *testing.T, said []byte) {
		if len(said) > 1<<10 {
			return
		}
		in := bufio.NewReader(bytes.NewReader(said))
		for {
			m, err := readMessage(in)
			if err != nil {
				return
			}
			again, err := readMessage(bufio.NewReader(bytes.NewReader(m.bytes())))
			if err != nil || !bytes.Equal(again.bytes(), m.bytes()) {
				t.Fatalf("%q became %q: %v", m.bytes(), again.bytes(), err)
			}
		}
	})
}
