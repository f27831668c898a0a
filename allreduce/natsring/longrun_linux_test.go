package natsring_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"
	"time"

	"ringloom/allreduce"
	"ringloom/allreduce/allreducetest"
	"ringloom/allreduce/natsring"
)

// footprint is what a process holds.
type footprint struct {
	HeapBytes   uint64 // after a collection
	RSSBytes    uint64
	Goroutines  int
	Descriptors int
	Memfds      int // descriptors and mappings of shared memory
}

// longRun is what a child tells at its end.
type longRun struct {
	Before, Tenth, End, After footprint // before the first view, in it after a tenth and at its end, after the last view
}

const (
	longRunEnv   = "RINGLOOM_NATSRING_TEST_RANK"
	longRunRanks = 4
)

// Four processes run thousands of collectives of all kinds and sizes, and then form some more views: nothing that they
// hold grows, and nothing is left of a view.
func TestALongRunLeaksNothing(t *testing.T) {
	collectives, shortViews := allreducetest.Amount(50, 300, 20_000), allreducetest.Amount(2, 5, 20)
	children := make([]*child, longRunRanks)
	var addrs []string
	for r := range children {
		children[r] = startChild(t, fmt.Sprintf("%d %d %d", r, collectives, shortViews))
		addrs = append(addrs, children[r].line(t))
	}
	for _, c := range children {
		if _, err := fmt.Fprintln(c.in, strings.Join(addrs, " ")); err != nil {
			t.Fatal(err)
		}
	}
	for r, c := range children {
		var got longRun
		if err := json.Unmarshal([]byte(c.line(t)), &got); err != nil {
			t.Fatal(err)
		}
		t.Logf("rank %d: %+v", r, got)
		// Buffers that come and go leave some slack; what is lost at every collective would show.
		if got.End.HeapBytes > got.Tenth.HeapBytes+1<<20 || got.End.RSSBytes > got.Tenth.RSSBytes+16<<20 ||
			got.End.Goroutines > got.Tenth.Goroutines || got.End.Descriptors > got.Tenth.Descriptors || got.End.Memfds > got.Tenth.Memfds {
			t.Errorf("rank %d grows: %+v after a tenth, %+v at the end", r, got.Tenth, got.End)
		}
		if got.End.Memfds == 0 {
			t.Errorf("rank %d has no shared memory", r)
		}
		if got.After.Goroutines > got.Before.Goroutines || got.After.Descriptors > got.Before.Descriptors || got.After.Memfds > 0 {
			t.Errorf("rank %d keeps something of %d views: %+v before, %+v after", r, 1+shortViews, got.Before, got.After)
		}
	}
}

// child is this test binary once more, as one rank.
type child struct {
	in  io.Writer
	out *bufio.Reader
}

func startChild(t *testing.T, what string) *child {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), longRunEnv+"="+what)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	return &child{in: in, out: bufio.NewReader(out)}
}

func (c *child) line(t *testing.T) string {
	t.Helper()
	line, err := c.out.ReadString('\n')
	if err != nil {
		t.Fatalf("a child ends with %q, %v", line, err)
	}
	return strings.TrimSpace(line)
}

// TestMain is the children of TestALongRunLeaksNothing as well.
func TestMain(m *testing.M) {
	what := os.Getenv(longRunEnv)
	if what == "" {
		os.Exit(m.Run())
	}
	if err := runChild(what); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func runChild(what string) error {
	var rank, collectives, shortViews int // the views follow the long one
	if _, err := fmt.Sscan(what, &rank, &collectives, &shortViews); err != nil {
		return err
	}
	serverConfig := natsring.DefaultServerConfig()
	serverConfig.Host = "127.0.0.1"
	s, err := natsring.StartServer(serverConfig)
	if err != nil {
		return err
	}
	defer s.Close()
	run := longRun{Before: take()} // as long as nobody knows the address
	fmt.Println(address(s))
	line, err := bufio.NewReader(os.Stdin).ReadString('\n')
	if err != nil {
		return err
	}
	ring := ringConfig(longRunRanks)
	ring.Rank, ring.Rings, ring.ChunkBytes, ring.WindowBytes = rank, 2, 16<<10, 256<<10
	cfg := natsring.DefaultConfig(ring)
	cfg.Server, cfg.Addrs = s, strings.Fields(line)

	for view := range uint64(1 + shortViews) {
		cfg.Ring.View = view
		if view == 0 {
			err = inView(cfg, collectives/10, collectives, &run)
		} else {
			err = inView(cfg, 5, 10, &longRun{})
		}
		if err != nil {
			return fmt.Errorf("rank %d, view %d: %w", rank, view, err)
		}
	}
	run.After = atRest(run.Before)
	text, err := json.Marshal(run)
	fmt.Println(string(text))
	return err
}

// inView joins a view, takes so many collectives, notes the footprint after a tenth of them and at the end, and leaves.
func inView(cfg natsring.Config, tenth, all int, run *longRun) error {
	ctx := context.Background()
	g, err := natsring.NewGroup(ctx, cfg)
	if err != nil {
		return err
	}
	defer g.Close()
	mix := allreducetest.Mix{Seed: cfg.Ring.View, MaxElements: 2 * allreduce.StripeBytes / 4}
	if err := mix.Run(ctx, g, 0, tenth); err != nil {
		return err
	}
	if run.Tenth, err = measure(ctx, g); err != nil {
		return err
	}
	if err := mix.Run(ctx, g, tenth, all); err != nil {
		return err
	}
	run.End, err = measure(ctx, g)
	return err
}

// measure takes the footprint while no rank is in a collective.
func measure(ctx context.Context, g *allreduce.Group) (footprint, error) {
	err := g.Barrier(ctx)
	f := take()
	return f, errors.Join(err, g.Barrier(ctx))
}

// atRest waits until goroutines and descriptors are as few as in want, because the server takes a moment to end its
// own, and returns the footprint. After some seconds it returns the footprint as it is.
func atRest(want footprint) footprint {
	look := time.NewTicker(10 * time.Millisecond)
	defer look.Stop()
	end := time.After(10 * time.Second)
	f := take()
	for f.Goroutines > want.Goroutines || f.Descriptors > want.Descriptors {
		select {
		case <-look.C:
			f = take()
		case <-end:
			return f
		}
	}
	return f
}

func take() footprint {
	debug.FreeOSMemory()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	f := footprint{HeapBytes: m.HeapAlloc, Goroutines: runtime.NumGoroutine()}
	fds, _ := filepath.Glob("/proc/self/fd/*")
	f.Descriptors = len(fds)
	for _, fd := range fds {
		if to, err := os.Readlink(fd); err == nil && strings.Contains(to, "memfd:ringloom") {
			f.Memfds++
		}
	}
	maps, _ := os.ReadFile("/proc/self/maps")
	f.Memfds += strings.Count(string(maps), "memfd:ringloom")
	statm, _ := os.ReadFile("/proc/self/statm")
	var size, resident uint64
	_, _ = fmt.Sscan(string(statm), &size, &resident)
	f.RSSBytes = resident * uint64(os.Getpagesize())
	return f
}
