package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"ringloom/data"
	"ringloom/nn/onednn"
)

// The test binary is the command itself when this is set, so that the tests run real processes without building.
const envBeCommand = "RINGLOOM_TEST_BE_COMMAND"

func TestMain(m *testing.M) {
	if os.Getenv(envBeCommand) != "" {
		main()
		return
	}
	os.Exit(runTests(m))
}

// runTests gives the tests' processes a cache of their own: what they find to be fastest on a busy machine is nobody
// else's. The data set lies unpacked in it, for a hundred processes would each spend half a second on that.
func runTests(m *testing.M) int {
	cache, err := os.MkdirTemp("", "ringloom-cache-")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(cache)
	if err := unpackData(filepath.Join(cache, "ringloom")); err != nil {
		panic(err)
	}
	os.Setenv("XDG_CACHE_HOME", cache)
	os.Setenv("XDG_RUNTIME_DIR", cache) // so is the key of the tests' nodes
	for _, name := range []string{envKey, envNATS, envToken} {
		os.Unsetenv(name)
	}
	return m.Run()
}

// unpackData puts the data set into dir. Without one on this machine, needData says so in each test.
func unpackData(dir string) error {
	source, err := data.Find(context.Background(), data.Options{Offline: true})
	if errors.As(err, new(*data.NotFoundError)) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for _, path := range source.Paths {
		if err := unpack(path, filepath.Join(dir, strings.TrimSuffix(filepath.Base(path), ".gz"))); err != nil {
			return err
		}
	}
	return nil
}

// unpack writes the content of a file, which may be compressed, to another.
func unpack(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	var content io.Reader = in
	if strings.HasSuffix(from, ".gz") {
		if content, err = gzip.NewReader(in); err != nil {
			return err
		}
	}
	out, err := os.Create(to)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, content)
	return errors.Join(err, out.Close())
}

// patience is how long a process may take to say or do what it must; no test waits for it to pass.
const patience = 3 * time.Minute

// process is a ringloom that runs.
type process struct {
	t     *testing.T
	cmd   *exec.Cmd
	ended chan struct{}

	mu      sync.Mutex
	out     bytes.Buffer // standard output and error, in order
	changed chan struct{}
}

// Write collects output.
func (p *process) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	close(p.changed)
	p.changed = make(chan struct{})
	return p.out.Write(b)
}

func (p *process) text() (string, <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.out.String(), p.changed
}

// start runs ringloom with args in dir.
func start(t *testing.T, dir string, args ...string) *process {
	t.Helper()
	return startBy(t, nil, dir, args...)
}

// startBy is start through another command, such as "ip netns exec NAME", that becomes the process.
func startBy(t *testing.T, by []string, dir string, args ...string) *process {
	t.Helper()
	executable, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	line := append(append(slices.Clone(by), executable), args...)
	cmd := exec.Command(line[0], line[1:]...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), envBeCommand+"=1")
	return startCommand(t, cmd, args)
}

// startCommand runs a command that is ringloom, and shows its output under args where the test fails.
func startCommand(t *testing.T, cmd *exec.Cmd, args []string) *process {
	t.Helper()
	p := &process{t: t, cmd: cmd, ended: make(chan struct{}), changed: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr = p, p
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		p.cmd.Wait()
		close(p.ended)
	}()
	t.Cleanup(func() {
		p.cmd.Process.Kill()
		<-p.ended
		if t.Failed() {
			text, _ := p.text()
			t.Logf("--- %s\n%s", strings.Join(args, " "), text)
		}
	})
	return p
}

// waitFor returns the first match of pattern in the output, submatches included.
func (p *process) waitFor(pattern string) []string {
	p.t.Helper()
	re := regexp.MustCompile(pattern)
	deadline := time.After(patience)
	for ended := false; ; {
		text, changed := p.text()
		if m := re.FindStringSubmatch(text); m != nil {
			return m
		}
		if ended {
			p.t.Fatalf("ended without saying %q", pattern)
		}
		select {
		case <-changed:
		case <-p.ended:
			ended = true
		case <-deadline:
			p.t.Fatalf("did not say %q", pattern)
		}
	}
}

// exit waits for the end and returns the exit code and the last line.
func (p *process) exit() (code int, last string) {
	p.t.Helper()
	select {
	case <-p.ended:
	case <-time.After(patience):
		p.t.Fatal("did not end")
	}
	text, _ := p.text()
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return p.cmd.ProcessState.ExitCode(), lines[len(lines)-1]
}

// ringloom runs the command to its end.
func ringloom(t *testing.T, args ...string) (code int, output, last string) {
	t.Helper()
	p := start(t, t.TempDir(), args...)
	code, last = p.exit()
	output, _ = p.text()
	return code, output, last
}

// wantExit checks the code, and that the last line says all of says and no stack trace was printed.
func (p *process) wantExit(code int, says ...string) {
	p.t.Helper()
	got, last := p.exit()
	if got != code {
		p.t.Errorf("exit code %d, want %d", got, code)
	}
	for _, s := range says {
		if !strings.Contains(last, s) {
			p.t.Errorf("the last line is %q, want it to say %q", last, s)
		}
	}
	if text, _ := p.text(); strings.Contains(text, "goroutine ") {
		p.t.Error("a stack trace")
	}
}

// needData skips a test that trains where the real data set is not installed; make setup installs it.
func needData(t *testing.T) {
	t.Helper()
	_, err := data.Find(t.Context(), data.Options{Offline: true})
	if missing := new(data.NotFoundError); errors.As(err, &missing) {
		t.Skip("SKIPPED, NO DATA: Fashion-MNIST is not installed here; make setup installs it")
	}
	if err != nil {
		t.Fatal(err)
	}
}

// needSpeed skips under -short what takes the reference device long, and was tested with oneDNN.
func needSpeed(t *testing.T) {
	if err := onednn.Available(); err != nil && testing.Short() {
		t.Skip("SKIPPED under -short, for it takes the slow reference device long: ", err)
	}
}

// trainRanks starts n separate `ringloom train` processes that find each other by the first one's address.
func trainRanks(t *testing.T, n int, args ...string) []*process {
	t.Helper()
	common := append([]string{"train", "--expect", fmt.Sprint(n), "--bind", "127.0.0.1:0", "--threads", "1", "--offline", "--log", "json"}, args...)
	first := start(t, t.TempDir(), common...)
	address := first.waitFor(`"looking for the other nodes","address":"([^"]+)"`)[1]
	ranks := []*process{first}
	for range n - 1 {
		ranks = append(ranks, start(t, t.TempDir(), append(common[:len(common):len(common)], "--join", address)...))
	}
	return ranks
}

const sawHash = `"parameters_sha256":"([0-9a-f]+)"`
