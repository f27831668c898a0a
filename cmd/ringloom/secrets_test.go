package main

import (
	"bytes"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"ringloom/allreduce/natsring/natsringtest"
)

// A variable of the shell that is not set must not leave a key, an address or a folder out silently. This goes for
// every flag of every command that takes text.
func TestAnEmptyValueIsAMistake(t *testing.T) {
	var visit func(cmd *cobra.Command)
	tried := 0
	visit = func(cmd *cobra.Command) {
		for _, sub := range cmd.Commands() {
			visit(sub)
		}
		cmd.Flags().VisitAll(func(f *pflag.Flag) {
			if f.Value.Type() != "string" && f.Value.Type() != "stringSlice" {
				return
			}
			tried++
			for _, value := range []string{"", " "} {
				root := rootCommand()
				root.SetArgs(append(strings.Fields(cmd.CommandPath())[1:], "--"+f.Name, value))
				root.SetOut(new(bytes.Buffer))
				err := root.ExecuteContext(t.Context())
				if err == nil || exitCode(err) != exitUsage || !strings.Contains(err.Error(), "--"+f.Name+" has an empty value") {
					t.Errorf("%s --%s %q: %v", cmd.CommandPath(), f.Name, value, err)
				}
			}
		})
	}
	visit(rootCommand())
	if tried < 40 {
		t.Errorf("only %d flags were tried", tried)
	}
	for _, list := range []string{"127.0.0.1:1,", ","} {
		if code, _, last := ringloom(t, "train", "--expect", "2", "--join", list); code != exitUsage || !strings.Contains(last, "--join has an empty value") {
			t.Errorf("--join %q: exit code %d, %q", list, code, last)
		}
	}
}

func TestOtherMachinesNeedAKey(t *testing.T) {
	short := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(short, []byte("fifteen bytes.."), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, command := range [][]string{{"train"}, {"bench", "allreduce"}, {"bench", "scaling"}} {
		args := append(command[:len(command):len(command)], "--expect", "2")
		for _, c := range []struct {
			args []string
			says string
		}{
			{[]string{"--bind", "0.0.0.0:0"}, "--bind 0.0.0.0:0: other machines reach this node, and there is no key"},
			{[]string{"--bind", "0.0.0.0:0", "--key-file", short}, "15 bytes, at least 16"},
			{[]string{"--nats-bind", "0.0.0.0:0"}, "there is no key"},
		} {
			if code, _, last := ringloom(t, append(args, c.args...)...); code != exitUsage || !strings.Contains(last, c.says) {
				t.Errorf("%v %v: exit code %d, %q", args, c.args, code, last)
			}
		}
	}
}

// benchRank starts one rank of a small benchmark; env is added to its environment.
func benchRank(t *testing.T, env []string, args ...string) *process {
	t.Helper()
	executable, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(executable, append([]string{"bench", "allreduce", "--expect", "2", "--bind", "127.0.0.1:0", "--log", "json", "--json",
		"--min-bytes", "64KiB", "--max-bytes", "64KiB", "--iters", "2", "--warmup", "1", "--join-timeout", "20s"}, args...)...)
	cmd.Env = append(append(os.Environ(), envBeCommand+"=1"), env...)
	return startCommand(t, cmd, args)
}

const sawAddress = `"looking for the other nodes","address":"([^"]+)"`

// Two terminals of one machine need no key: both find the same. What travels between their servers is sealed.
func TestTwoTerminalsNeedNoKey(t *testing.T) {
	first := benchRank(t, nil, "--shared-memory=false")
	second := benchRank(t, nil, "--shared-memory=false", "--join", first.waitFor(sawAddress)[1])
	first.waitFor(`"path":"NATS sealed with AES-256-GCM"`)
	first.wantExit(0)
	second.wantExit(0)
}

func TestInsecureIsSaid(t *testing.T) {
	first := benchRank(t, nil, "--shared-memory=false", "--insecure")
	second := benchRank(t, nil, "--shared-memory=false", "--insecure", "--join", first.waitFor(sawAddress)[1])
	first.waitFor("gradients travel in clear text")
	first.waitFor(`"path":"NATS in clear text"`)
	first.wantExit(0)
	second.wantExit(0)
}

// Another key, or none, keeps a node out; a token that differs is named as what differs, and shown to nobody.
func TestSecretsThatDifferAreNamed(t *testing.T) {
	const key = envKey + "=0123456789abcdef0123456789abcdef"
	for name, c := range map[string]struct {
		first, second []string
		args          []string
		says          []string
	}{
		"token":      {[]string{key, envToken + "=first-token"}, []string{key, envToken + "=second-token"}, nil, []string{"configuration differs", "NATS token: here one with"}},
		"no token":   {[]string{key, envToken + "=first-token"}, []string{key}, nil, []string{"configuration differs", "NATS token: here none"}},
		"key":        {[]string{key}, []string{key + "x"}, nil, []string{"gossip key differs"}},
		"not secure": {[]string{key}, nil, []string{"--insecure"}, []string{"gossip key differs"}},
	} {
		t.Run(name, func(t *testing.T) {
			first := benchRank(t, c.first)
			second := benchRank(t, c.second, append(c.args, "--join", first.waitFor(sawAddress)[1])...)
			second.wantExit(exitCluster, c.says...)
			for _, p := range []*process{first, second} {
				text, _ := p.text()
				for _, secret := range []string{"first-token", "second-token", "0123456789abcdef"} {
					if strings.Contains(text, secret) {
						t.Errorf("a secret is shown: %s", text)
					}
				}
			}
		})
	}
}

// A NATS server that is not there, or is none, or takes another password, is found before anything else is done, and
// its password is shown nowhere.
func TestNATSServersAreProbedFirst(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() { // no NATS server
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = conn.Write([]byte("SSH-2.0-OpenSSH\r\n"))
			_ = conn.Close()
		}
	}()
	address, stop, err := natsringtest.StartPasswordServer("u", "right")
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	file := filepath.Join(t.TempDir(), "nats")
	if err := os.WriteFile(file, []byte("nats://u:HIDDEN@127.0.0.1:1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args []string
		says string
	}{
		{[]string{"--nats", "nats://u:HIDDEN@127.0.0.1:1"}, "connection refused"},
		{[]string{"--nats-file", file}, "nats://xxxxx@127.0.0.1:1"},
		{[]string{"--nats", "nats://u:HIDDEN@" + l.Addr().String()}, "cannot connect"},
		{[]string{"--nats", "nats://u:HIDDEN@" + address}, "refused"},
		{[]string{"--nats", "nats://HIDDEN@127.0.0.1:1,nats://u:HIDDEN@127.0.0.1:2"}, "nats://xxxxx@127.0.0.1:1,nats://xxxxx@127.0.0.1:2"},
	} {
		for _, command := range [][]string{{"train", "--data", "/nonexistent"}, {"bench", "allreduce"}} { // the data would be a fault of its own
			args := append(append(command[:len(command):len(command)], "--expect", "2", "--bind", "127.0.0.1:0"), c.args...)
			code, output, last := ringloom(t, args...)
			if code != exitCluster || !strings.Contains(last, "--nats") {
				t.Errorf("%v: exit code %d, %q", args, code, last)
			}
			if strings.Contains(output, "HIDDEN") {
				t.Errorf("%v shows the password: %s", args, output)
			}
			if onLine, warned := c.args[0] == "--nats", strings.Contains(output, "ps shows the command line"); onLine != warned {
				t.Errorf("%v: warns of ps is %v, want %v: %s", args, warned, onLine, output)
			}
		}
	}
	if code, output, _ := ringloom(t, "train", "--expect", "2", "--nats", "nats://u:HIDDEN@127.0.0.1:port"); code != exitUsage || strings.Contains(output, "HIDDEN") {
		t.Errorf("no URL: exit code %d, %s", code, output)
	}
}
