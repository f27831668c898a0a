package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"text/tabwriter"
	"time"

	"ringloom/data"
	"ringloom/run"
)

// campaign does harm to a training job of two ranks at moments that a seed determines, and holds what comes of it against a job that was
// left alone. How far the job has come by such a moment depends on the machine; what must come of it does not.
type campaign struct {
	*testing.T
	random   *rand.Rand
	want     string        // the final parameters' hash of the job that was left alone
	took     time.Duration // by it
	final    string        // its parameters
	evaluate string        // what evaluate says of them
	rows     []campaignRow
}

type campaignRow struct {
	what    string
	times   int
	outcome map[string]int
	seconds float64
}

// campaignJob is small and depends on every step before: what is lost or done twice shows in the hash.
var campaignJob = []string{"--offline", "--epochs", "3", "--global-batch", "64", "--optimizer", "adamw", "--schedule", "cosine",
	"--warmup-epochs", "0.01", "--augment", "--clip-norm", "1", "--checkpoint-every", "40", "--log", "json"}

// TestCampaign kills, pauses, parts, annoys and damages jobs; each must end with the bits of the undisturbed one, at the latest when it is
// resumed, or refuse. `make campaign` runs it; RINGLOOM_CAMPAIGN is the seed, or "new".
func TestCampaign(t *testing.T) {
	text := os.Getenv("RINGLOOM_CAMPAIGN")
	if text == "" {
		t.Skip("SKIPPED, the campaign takes some minutes: make campaign runs it (RINGLOOM_CAMPAIGN=seed)")
	}
	needData(t)
	needSpeed(t)
	seed, err := strconv.ParseUint(text, 10, 64)
	if text == "new" {
		seed, err = uint64(time.Now().UnixNano())%1e6, nil
	}
	if err != nil {
		t.Fatal(err)
	}
	fmt.Printf("campaign: SEED=%d\n", seed)
	c := &campaign{T: t, random: rand.New(rand.NewPCG(seed, 0))}
	defer c.table(seed)
	c.undisturbed()
	c.each("kill -9, then resume", 20, c.kill)
	c.each("pause (SIGSTOP)", 3, c.pause)
	c.each("partition (network namespaces)", 3, c.partition)
	c.each("noise at both ports", 1, c.noise)
	c.flips()
	c.fuzz()
	c.sanitizers()
}

// each runs one kind of harm so many times. harm returns how it went, or an error.
func (c *campaign) each(what string, times int, harm func(t *testing.T, random *rand.Rand) (string, error)) {
	row := campaignRow{what: what, times: times, outcome: map[string]int{}}
	begin := time.Now()
	for i := range times {
		random := rand.New(rand.NewPCG(c.random.Uint64(), 0)) // whatever one of them draws changes no other
		c.Run(fmt.Sprintf("%s %d", what, i+1), func(t *testing.T) {
			outcome := "FAILED"
			defer func() {
				if t.Skipped() {
					outcome = "SKIPPED"
				}
				row.outcome[outcome]++
			}()
			said, err := harm(t, random)
			switch {
			case err != nil:
				t.Error(err)
			case !t.Failed():
				outcome = said
			}
		})
	}
	row.seconds = time.Since(begin).Seconds()
	c.rows = append(c.rows, row)
}

func (c *campaign) table(seed uint64) {
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "\ncampaign of seed %d\ttimes\tseconds\toutcome\n", seed)
	for _, r := range c.rows {
		var outcomes []string
		for text, n := range r.outcome {
			outcomes = append(outcomes, fmt.Sprintf("%d %s", n, text))
		}
		slices.Sort(outcomes)
		fmt.Fprintf(w, "%s\t%d\t%.0f\t%s\n", r.what, r.times, r.seconds, strings.Join(outcomes, ", "))
	}
	_ = w.Flush()
}

// undisturbed runs the job that the others are held against.
func (c *campaign) undisturbed() {
	for _, what := range []string{"finds kernels, and is not timed", "the undisturbed job"} {
		dir := filepath.Join(c.TempDir(), "run")
		begin := time.Now()
		p := launchCampaign(c.T, dir)
		hash := p.waitFor(sawHash)[1]
		p.wantExit(0)
		if c.want != "" && hash != c.want {
			c.Fatalf("two undisturbed jobs end with %s and %s", c.want, hash)
		}
		c.want, c.took, c.final = hash, time.Since(begin), filepath.Join(dir, run.FinalFile)
		c.rows = append(c.rows, campaignRow{what, 1, map[string]int{hash[:16]: 1}, c.took.Seconds()})
	}
	code, said := c.evaluates(c.T, c.final, nil)
	if code != 0 {
		c.Fatalf("evaluate ended with %d", code)
	}
	c.evaluate = said
}

func launchCampaign(t *testing.T, dir string, args ...string) *process {
	t.Helper()
	return start(t, t.TempDir(), slices.Concat([]string{"launch", "-n", "2", "--"}, campaignJob, []string{"--run-dir", dir}, args)...)
}

// moment is one from the start to shortly before the end, as long as the undisturbed job takes; the first of them are in the start.
func (c *campaign) moment(random *rand.Rand) time.Duration {
	return time.Duration(random.Float64() * 0.95 * float64(c.took))
}

// resumed says how the job in dir has ended, goes on with it if it has not come to its end, and compares the hash. Where it was ended before it
// had kept anything, it begins anew.
func (c *campaign) resumed(t *testing.T, p *process, dir string) (string, error) {
	t.Helper()
	code, _ := p.exit()
	text, _ := p.text()
	if strings.Contains(text, "goroutine ") {
		return "", errors.New("a stack trace")
	}
	how := "ended by itself"
	if code != 0 {
		how = "resumed"
		args := []string{"launch", "-n", "2", "--", "--offline", "--log", "json", "--resume", dir}
		if _, err := os.Stat(filepath.Join(dir, run.StateFile)); errors.Is(err, fs.ErrNotExist) {
			how = "begun anew"
			dir = filepath.Join(t.TempDir(), "anew")
			args = slices.Concat([]string{"launch", "-n", "2", "--"}, campaignJob, []string{"--run-dir", dir})
		}
		p = start(t, t.TempDir(), args...)
		code, last := p.exit()
		if code == exitUsage && strings.Contains(last, "exit code 2") && c.isComplete(dir) {
			return "was complete, same parameters", nil
		}
		if code != 0 {
			return "", fmt.Errorf("%s: exit code %d, %s", how, code, last)
		}
		text, _ = p.text()
	}
	hash := regexp.MustCompile(sawHash).FindStringSubmatch(text)
	if hash == nil || hash[1] != c.want {
		return "", fmt.Errorf("%s: the hash is %v, want %s", how, hash, c.want)
	}
	return how + ", same hash", nil
}

// isComplete says whether the final parameters are there, and those of the undisturbed job.
func (c *campaign) isComplete(dir string) bool {
	want, err := os.ReadFile(c.final)
	got, missing := os.ReadFile(filepath.Join(dir, run.FinalFile))
	return err == nil && missing == nil && bytes.Equal(got, want)
}

// kill ends all of a job, its launcher or one of its ranks.
func (c *campaign) kill(t *testing.T, random *rand.Rand) (string, error) {
	moment, victim := c.moment(random), random.IntN(4)
	dir := filepath.Join(t.TempDir(), "run")
	p := launchCampaign(t, dir)
	select {
	case <-time.After(moment):
	case <-p.ended: // a fast machine has a moment after the end
	}
	ranks := children(t, p.cmd.Process.Pid)
	victims := map[int][]int{0: {p.cmd.Process.Pid}, 1: append(ranks, p.cmd.Process.Pid)}[victim]
	if victims == nil && len(ranks) == 2 {
		victims = ranks[victim-2 : victim-1]
	}
	for _, pid := range victims {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
	p.exit()
	for _, pid := range ranks {
		until(t, "a rank outlives the job", func() bool { return state(pid) == "" || state(pid) == "Z" })
	}
	t.Logf("after %v: %d of {launcher, all, one rank, the other}", moment, victim)
	return c.resumed(t, p, dir)
}

// pause stops one rank for less, about or more than what the others wait.
func (c *campaign) pause(t *testing.T, random *rand.Rand) (string, error) {
	moment, rank, lasts := c.moment(random), random.IntN(2), time.Duration(1+random.IntN(9))*time.Second
	dir := filepath.Join(t.TempDir(), "run")
	p := launchCampaign(t, dir)
	select {
	case <-time.After(moment):
	case <-p.ended:
	}
	if ranks := children(t, p.cmd.Process.Pid); len(ranks) == 2 {
		_ = syscall.Kill(ranks[rank], syscall.SIGSTOP)
		time.Sleep(lasts)
		_ = syscall.Kill(ranks[rank], syscall.SIGCONT)
	}
	t.Logf("after %v: rank of index %d for %v", moment, rank, lasts)
	return c.resumed(t, p, dir)
}

// partition takes the line between two machines away for a while.
func (c *campaign) partition(t *testing.T, random *rand.Rand) (string, error) {
	m := makeMachines(t)
	moment, lasts := c.moment(random), time.Duration(1+random.IntN(9))*time.Second
	dir := filepath.Join(t.TempDir(), "run")
	var ranks []*process
	for i := range m.names {
		args := slices.Concat([]string{"train", "--expect", "2", "--threads", "1", "--bind", fmt.Sprintf("10.78.0.%d:7946", i+1)}, campaignJob)
		if i == 0 {
			args = append(args, "--run-dir", dir)
		} else {
			args = append(args, "--join", "10.78.0.1:7946")
		}
		ranks = append(ranks, startBy(t, []string{"ip", "netns", "exec", m.names[i]}, t.TempDir(), args...))
		ranks[i].waitFor(`"address":"10.78.0.`)
	}
	select {
	case <-time.After(moment):
	case <-ranks[0].ended:
	}
	m.ip("-n", m.names[0], "link", "set", "eth0", "down")
	time.Sleep(lasts)
	m.ip("-n", m.names[0], "link", "set", "eth0", "up")
	second, _ := ranks[1].exit()
	first, _ := ranks[0].exit()
	t.Logf("after %v, for %v: exit codes %d and %d", moment, lasts, first, second)
	return c.resumed(t, ranks[0], dir)
}

// noise sends garbage to the ports of both ranks while they train.
func (c *campaign) noise(t *testing.T, random *rand.Rand) (string, error) {
	var ports []string
	for range 4 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return "", err
		}
		defer l.Close()
		ports = append(ports, l.Addr().String())
		_ = l.Close()
	}
	ctx, cancel := context.WithCancel(t.Context())
	var noise sync.WaitGroup
	defer noise.Wait()
	defer cancel()
	sent := make([]int, len(ports))
	for i, port := range ports {
		random := rand.New(rand.NewPCG(random.Uint64(), 0))
		noise.Go(func() {
			for ctx.Err() == nil {
				garbage := make([]byte, 1+random.IntN(2000))
				for j := 0; j+8 <= len(garbage); j += 8 {
					binary.LittleEndian.PutUint64(garbage[j:], random.Uint64())
				}
				for _, network := range []string{"tcp", "udp"} {
					if conn, err := net.Dial(network, port); err == nil {
						_, _ = conn.Write(garbage)
						_ = conn.Close()
						sent[i]++
					}
				}
				time.Sleep(2 * time.Millisecond) // or the machine does nothing else
			}
		})
	}
	dir := filepath.Join(t.TempDir(), "run")
	var ranks []*process
	for i := range 2 {
		args := slices.Concat([]string{"train", "--expect", "2", "--threads", "1", "--shared-memory=false",
			"--bind", ports[2*i], "--nats-bind", ports[2*i+1]}, campaignJob)
		if i == 0 {
			args = append(args, "--run-dir", dir)
		} else {
			args = append(args, "--join", ports[0])
		}
		ranks = append(ranks, start(t, t.TempDir(), args...))
		ranks[i].waitFor(`"looking for the other nodes"`)
	}
	for _, p := range ranks {
		p.wantExit(0)
	}
	cancel()
	noise.Wait()
	t.Logf("messages and packets: %v", sent)
	return c.resumed(t, ranks[0], dir)
}

// evaluates says what evaluate prints of a file of parameters, and its exit code.
func (c *campaign) evaluates(t *testing.T, init string, env []string, args ...string) (code int, said string) {
	t.Helper()
	executable, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	args = slices.Concat([]string{"evaluate", "--offline", "--threads", "1", "--images", "2000", "--init", init}, args)
	cmd := exec.Command(executable, args...)
	cmd.Dir, cmd.Env = t.TempDir(), append(append(os.Environ(), envBeCommand+"=1"), env...)
	p := startCommand(t, cmd, args)
	code, _ = p.exit()
	text, _ := p.text()
	if strings.Contains(text, "goroutine ") {
		t.Error("a stack trace")
	}
	return code, regexp.MustCompile(`loss .*right\)`).FindString(text)
}

// flips turns bits in every file that ringloom reads. Each is refused, or changes nothing.
func (c *campaign) flips() {
	c.each("bit in parameters, evaluate", 12, func(t *testing.T, random *rand.Rand) (string, error) {
		file := filepath.Join(t.TempDir(), "parameters.safetensors")
		flip(t, c.final, file, random)
		return c.judged(t, file, nil)
	})
	c.each("bit in a file of the data set, evaluate", 4, func(t *testing.T, random *rand.Rand) (string, error) {
		source, err := data.Find(t.Context(), data.Options{Offline: true})
		if err != nil {
			return "", err
		}
		dir := t.TempDir()
		odd := random.IntN(len(source.Paths))
		for i, path := range source.Paths {
			to := filepath.Join(dir, filepath.Base(path))
			if i == odd {
				flip(t, path, to, random)
			} else if err := os.Symlink(path, to); err != nil {
				return "", err
			}
		}
		return c.judged(t, c.final, nil, "--data", dir)
	})
	c.each("bit in kernels.json, evaluate", 6, func(t *testing.T, random *rand.Rand) (string, error) {
		cache := t.TempDir()
		file := filepath.Join("ringloom", "kernels.json")
		if err := os.MkdirAll(filepath.Join(cache, "ringloom"), 0o700); err != nil {
			return "", err
		}
		from := filepath.Join(os.Getenv("XDG_CACHE_HOME"), file)
		if _, err := os.Stat(from); errors.Is(err, fs.ErrNotExist) {
			t.Skip("SKIPPED, this device remembers no kernels")
		}
		flip(t, from, filepath.Join(cache, file), random)
		source, err := data.Find(t.Context(), data.Options{Offline: true})
		if err != nil {
			return "", err
		}
		return c.judged(t, c.final, []string{"XDG_CACHE_HOME=" + cache}, "--data", filepath.Dir(source.Paths[0]))
	})
	stopped := filepath.Join(c.TempDir(), "stopped")
	launchCampaign(c.T, stopped, "--max-steps", "100").wantExit(0)
	for _, name := range []string{run.StateFile, "config.json", "metrics.jsonl"} {
		c.each("bit in "+name+", resume", 2, func(t *testing.T, random *rand.Rand) (string, error) {
			dir := filepath.Join(t.TempDir(), "run")
			if err := os.CopyFS(dir, os.DirFS(stopped)); err != nil {
				return "", err
			}
			flip(t, filepath.Join(stopped, name), filepath.Join(dir, name), random)
			if random.IntN(2) == 0 {
				if err := os.RemoveAll(filepath.Join(dir, run.PreviousStateFile)); err != nil {
					return "", err
				}
			}
			p := start(t, t.TempDir(), "launch", "-n", "2", "--", "--offline", "--log", "json", "--resume", dir, "--max-steps", "0")
			code, last := p.exit()
			text, _ := p.text()
			hash := regexp.MustCompile(sawHash).FindStringSubmatch(text)
			switch {
			case strings.Contains(text, "goroutine "):
				return "", errors.New("a stack trace")
			case code != 0:
				return fmt.Sprintf("refused (%d)", code), nil
			case hash == nil || hash[1] != c.want:
				return "", fmt.Errorf("wrong without a word: hash %v, %s", hash, last)
			}
			return "same hash", nil
		})
	}
}

// judged is what evaluate makes of a damaged file.
func (c *campaign) judged(t *testing.T, init string, env []string, args ...string) (string, error) {
	t.Helper()
	switch code, said := c.evaluates(t, init, env, args...); {
	case code == 0 && said != c.evaluate:
		return "", fmt.Errorf("wrong without a word: %s, and %s undamaged", said, c.evaluate)
	case code != 0:
		return fmt.Sprintf("refused (%d)", code), nil
	}
	return "same result", nil
}

// flip copies a file with one bit turned.
func flip(t *testing.T, from, to string, random *rand.Rand) {
	t.Helper()
	content, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	if len(content) == 0 {
		t.Fatalf("%s is empty", from)
	}
	at := random.IntN(len(content))
	if random.IntN(4) == 0 { // small headers are worth a try of their own
		at = random.IntN(min(len(content), 2000))
	}
	content[at] ^= 1 << random.IntN(8)
	if err := os.WriteFile(to, content, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Logf("byte %d of %d of %s", at, len(content), filepath.Base(from))
}

// fuzz runs every fuzz target for a moment; under RINGLOOM_TEST_LONG ten times longer.
func (c *campaign) fuzz() {
	lasts := "2s"
	if os.Getenv("RINGLOOM_TEST_LONG") != "" {
		lasts = "20s"
	}
	root := filepath.Join("..", "..")
	type target struct{ folder, name string }
	var targets []target
	err := filepath.WalkDir(root, func(path string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		source, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for _, m := range regexp.MustCompile(`(?m)^func (Fuzz\w+)\(`).FindAllSubmatch(source, -1) {
			targets = append(targets, target{filepath.Dir(path), string(m[1])})
		}
		return nil
	})
	if err != nil || len(targets) == 0 {
		c.Fatalf("fuzz targets: %v, %v", targets, err)
	}
	next := 0
	c.each("fuzz targets, "+lasts+" each", len(targets), func(t *testing.T, _ *rand.Rand) (string, error) {
		f := targets[next]
		next++
		cmd := exec.CommandContext(t.Context(), "go", "test", "-vet=off", "-run", "^$", "-fuzz", "^"+f.name+"$", "-fuzztime", lasts, ".")
		cmd.Dir = f.folder
		if out, err := cmd.CombinedOutput(); err != nil {
			return "", fmt.Errorf("%s in %s: %w\n%s", f.name, f.folder, err, out)
		}
		return "nothing found", nil
	})
}

// sanitizers runs the tests of the C code under ASan and UBSan.
func (c *campaign) sanitizers() {
	c.each("C code under ASan and UBSan", 1, func(t *testing.T, _ *rand.Rand) (string, error) {
		if os.Getenv("RINGLOOM_TEST_LONG") == "" {
			t.Skip("SKIPPED, the sanitizers take minutes: make campaign RINGLOOM_TEST_LONG=1 runs them")
		}
		cmd := exec.CommandContext(t.Context(), "go", "test", "-vet=off", "-asan", "-short", "-tags", "onednn", "-timeout", "30m", "./nn/onednn/...")
		cmd.Dir = filepath.Join("..", "..")
		cmd.Env = append(os.Environ(), "CGO_CFLAGS=-O1 -g -fsanitize=undefined -fno-sanitize-recover=undefined",
			"CGO_LDFLAGS=-fsanitize=undefined", "ASAN_OPTIONS=detect_leaks=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			return "", fmt.Errorf("%w\n%s", err, out)
		}
		return "nothing found", nil
	})
}
