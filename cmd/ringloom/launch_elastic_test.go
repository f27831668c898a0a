package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"ringloom/launch"
)

// slots are the processes of an elastic launch, by slot.
func slots(t *testing.T, p *process) map[int]int {
	t.Helper()
	all := map[int]int{}
	for _, pid := range children(t, p.cmd.Process.Pid) {
		environ, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
		if err != nil {
			continue
		}
		for _, v := range bytes.Split(environ, []byte{0}) {
			if n, ok := strings.CutPrefix(string(v), launch.EnvLocalRank+"="); ok {
				slot, _ := strconv.Atoi(n)
				all[slot] = pid
			}
		}
	}
	return all
}

// killSlots has the processes of slots die, all at once.
func (p *process) killSlots(numbers ...int) {
	p.t.Helper()
	now := slots(p.t, p)
	for _, n := range numbers {
		if err := syscall.Kill(now[n], syscall.SIGKILL); now[n] == 0 || err != nil {
			p.t.Fatalf("slot %d is empty: %v, %v", n, now, err)
		}
	}
}

// mark is where the output is now; since gives what came after.
func (p *process) mark() (since func() string) {
	text, _ := p.text()
	return func() string {
		now, _ := p.text()
		return now[len(text):]
	}
}

// awaits waits until the output behind a mark matches all patterns.
func (p *process) awaits(since func() string, patterns ...string) {
	p.t.Helper()
	for _, pattern := range patterns {
		re := regexp.MustCompile(pattern)
		until(p.t, pattern, func() bool { return re.MatchString(since()) })
	}
}

// wantEpochs checks that each of some epochs has its line once, and gives how many there are.
func wantEpochs(t *testing.T, p *process, from int) (last int) {
	t.Helper()
	text, _ := p.text()
	last = from - 1
	for _, m := range regexp.MustCompile(`(?m)^epoch (\d+), loss `).FindAllStringSubmatch(text, -1) {
		if last++; m[1] != strconv.Itoa(last) {
			t.Errorf("a line of epoch %s, where that of epoch %d should be", m[1], last)
		}
	}
	return last
}

// elasticJob are the flags of a job that lasts until it is ended.
func elasticJob(n int, dir string, more ...string) []string {
	return append([]string{"launch", "-n", strconv.Itoa(n), "--elastic", "--threads", "1", "--", "--offline", "--global-batch", "256", "--run-dir", dir}, more...)
}

// The leader is killed, another rank, and two at once; all come back. SIGTERM keeps the state, from which an elastic launch goes on to its end.
func TestAnElasticLaunchOutlivesItsRanks(t *testing.T) {
	needData(t)
	needSpeed(t)
	dir := filepath.Join(t.TempDir(), "run")
	p := start(t, t.TempDir(), elasticJob(3, dir, "--epochs", "1000")...)
	p.waitFor(`(?m)^slot 0 \| epoch 1  step`)
	for _, victims := range [][]int{{0}, {2}, {0, 1}} {
		since := p.mark()
		p.killSlots(victims...)
		for _, n := range victims {
			p.awaits(since, fmt.Sprintf(`(?m)^ringloom: slot %d \(pid \d+\) was killed by signal 9 \(killed\); it starts again in \d+ms \(\d of 3\)$`, n))
		}
		for n := range 3 {
			p.awaits(since, fmt.Sprintf(`(?m)^slot %d \| .*view begins.*"ranks":3`, n))
		}
		p.awaits(since, `; 3 ranks go on`) // all have the state now, and may be the only ones
	}
	p.signal(syscall.SIGTERM)
	p.wantExit(exitDeparted, "no rank is left: the last one has left as it was asked to; go on with --resume")
	p.waitFor(`all ranks have left behind step \d+, and the run's state is kept`)
	done := wantEpochs(t, p, 1)

	again := start(t, t.TempDir(), "launch", "-n", "2", "--", "--offline", "--elastic", "--resume", dir, "--epochs", strconv.Itoa(done+1))
	again.wantExit(0)
	again.waitFor(`parameters sha256`)
	if last := wantEpochs(t, again, done+1); last != done+1 {
		t.Errorf("it has gone on to epoch %d, want %d", last, done+1)
	}
	if n := len(readMetrics(t, dir)); n != done+1 {
		t.Errorf("metrics of %d epochs, want %d", n, done+1)
	}
}

// The run ends with 0 whether the leader's slot is filled again in time or not, and prints each result once.
func TestAnElasticLaunchEndsWell(t *testing.T) {
	needData(t)
	needSpeed(t)
	p := start(t, t.TempDir(), elasticJob(3, filepath.Join(t.TempDir(), "run"), "--epochs", "2", "--join-timeout", "1h")...)
	p.waitFor(`(?m)^slot 0 \| epoch 1  step`)
	p.killSlots(0)
	p.wantExit(0)
	text, _ := p.text()
	if last := wantEpochs(t, p, 1); last != 2 || strings.Count(text, "parameters sha256") != 1 {
		t.Errorf("%d epochs, and the end %d times", last, strings.Count(text, "parameters sha256"))
	}
}

func TestTheNumberOfRanksFollowsSignalsAndScale(t *testing.T) {
	needData(t)
	needSpeed(t)
	dir := t.TempDir()
	t.Setenv("XDG_RUNTIME_DIR", dir)
	scale := func(code int, says string, args ...string) {
		t.Helper()
		start(t, t.TempDir(), append([]string{"scale"}, args...)...).wantExit(code, says)
	}
	scale(exitFailed, "no elastic launch of this user runs on this machine", "2")
	p := start(t, t.TempDir(), append(elasticJob(2, filepath.Join(dir, "run"), "--epochs", "1000"), "--max-ranks", "3", "--elastic")...)
	p.waitFor(`(?m)^slot 0 \| epoch 1  step`)
	pid := strconv.Itoa(p.cmd.Process.Pid)

	since := p.mark()
	p.signal(syscall.SIGUSR1)
	p.awaits(since, `ringloom: 3 ranks are wanted, 2 before`, `1 node joined as rank 2 at step \d+; 3 ranks go on`)
	scale(exitUsage, "launch (pid "+pid+") stays at 3 ranks: 4 ranks are more than the 3 that are allowed", "4")
	scale(exitUsage, "--pid 1 is no elastic launch of this user; there is: pid "+pid+" with 3 ranks", "2", "--pid", "1")
	since = p.mark()
	scale(0, "launch (pid "+pid+"): 1 rank is wanted, 3 before", "1", "--pid", pid)
	p.awaits(since, `; 1 rank goes on`)
	until(t, "the others' end", func() bool { return len(slots(t, p)) == 1 })
	p.signal(syscall.SIGUSR2)
	p.awaits(since, `ringloom: signal 12 \(user defined signal 2\): 0 ranks are fewer than the 1 that must stay`)
	since = p.mark()
	scale(0, "launch (pid "+pid+"): 2 ranks are wanted, 1 before", "2")
	p.awaits(since, `(?m)^slot 1 \| .*view begins.*"ranks":2`)
	p.signal(syscall.SIGINT)
	p.wantExit(exitInterrupted, `interrupted by signal "interrupt"`)
	p.waitFor(`slot 1 \| ringloom: interrupted by signal "interrupt"`)
	if text, _ := p.text(); strings.Contains(text, "starts again") {
		t.Error("a rank that was to end has been started again")
	}
	if sockets, _ := filepath.Glob(filepath.Join(dir, "ringloom", "launch-*")); len(sockets) > 0 {
		t.Errorf("%v are left", sockets)
	}
}

// The ranks of a launcher that is killed leave, and keep the run's state.
func TestRanksLeaveWhenTheirLauncherDies(t *testing.T) {
	needData(t)
	needSpeed(t)
	needLong(t, "what ranks do without their launcher")
	dir := filepath.Join(t.TempDir(), "run")
	p := start(t, t.TempDir(), elasticJob(3, dir, "--epochs", "1000")...)
	p.waitFor(`(?m)^slot 0 \| epoch 1  step`)
	ranks := children(t, p.cmd.Process.Pid)
	p.signal(syscall.SIGKILL)
	for _, rank := range ranks {
		until(t, "a rank's end", func() bool { return state(rank) == "Z" })
	}
	start(t, t.TempDir(), "launch", "-n", "2", "--elastic", "--", "--offline", "--resume", dir, "--epochs", "1").wantExit(0)
}

// With too few ranks the launch ends as they do, and names the one that died.
func TestTooFewRanksEndAnElasticLaunch(t *testing.T) {
	needData(t)
	needSpeed(t)
	needLong(t, "waiting for ranks in vain")
	args := []string{"launch", "-n", "2", "--elastic", "--min-ranks", "2", "--max-restarts", "0", "--", "--offline", "--epochs", "1000", "--elastic-wait", "2s"}
	p := start(t, t.TempDir(), args...)
	p.waitFor(`(?m)^slot 0 \| epoch 1  step`)
	p.killSlots(1)
	p.wantExit(exitPeer, "slot 1 (pid ", "was killed by signal 9 (killed); no rank is left")
	p.waitFor(`slot 1 \(pid \d+\) was killed by signal 9 \(killed\); it is not started again`)
	p.waitFor(`slot 0 \| ringloom: .*1 of at least 2 ranks are here`)
}

// Dozens of kills of whatever slot lose nothing: the run ends with all its epochs, each once.
func TestManyKills(t *testing.T) {
	needData(t)
	needSpeed(t)
	needLong(t, "many kills")
	dir := filepath.Join(t.TempDir(), "run")
	args := append([]string{"launch", "-n", "4", "--elastic", "--max-restarts", "1000", "--threads", "1", "--"}, elasticJob(4, dir, "--epochs", "1000")[7:]...)
	p := start(t, t.TempDir(), args...)
	p.waitFor(`(?m)^slot 0 \| epoch 1  step`)
	for i := range 24 {
		since := p.mark()
		p.killSlots(i % 4)
		p.awaits(since, fmt.Sprintf(`(?m)^slot %d \| .*view begins.*"ranks":4`, i%4), `; 4 ranks go on`)
	}
	p.signal(syscall.SIGTERM)
	p.wantExit(exitDeparted)
	done := wantEpochs(t, p, 1)
	again := start(t, t.TempDir(), "launch", "-n", "4", "--elastic", "--", "--offline", "--resume", dir, "--epochs", strconv.Itoa(done+1))
	again.wantExit(0)
	if n := len(readMetrics(t, dir)); n != done+1 {
		t.Errorf("metrics of %d epochs, want %d", n, done+1)
	}
}

// Flags may stand before -- or behind it, not with two values.
func TestMistakesInTheFlagsOfAnElasticLaunch(t *testing.T) {
	for says, args := range map[string][]string{
		"--max-restarts has no effect without --elastic": {"--max-restarts", "1"},
		"--max-restarts -1":                                    {"--elastic", "--max-restarts", "-1"},
		"--min-ranks and --max-ranks have no effect":           {"--min-ranks", "1"},
		"--max-ranks 1: it must be at least":                   {"-n", "2", "--elastic", "--", "--max-ranks", "1"},
		"--min-ranks 3: start at least so many with -n":        {"-n", "2", "--", "--elastic", "--min-ranks", "3"},
		"--min-ranks is 1, and 2 behind --: give it once":      {"-n", "2", "--elastic", "--min-ranks", "1", "--", "--min-ranks", "2"},
		"--elastic is false, and true behind --: give it once": {"--elastic=false", "--", "--elastic"},
	} {
		start(t, t.TempDir(), append([]string{"launch"}, args...)...).wantExit(exitUsage, says)
	}
	for says, args := range map[string][]string{
		"0 words are given":          {},
		`"many" ranks: give a`:       {"many"},
		`"0" ranks: give a positive`: {"0"},
	} {
		start(t, t.TempDir(), append([]string{"scale"}, args...)...).wantExit(exitUsage, says)
	}
}

// needLong skips what takes long.
func needLong(t *testing.T, what string) {
	if os.Getenv("RINGLOOM_TEST_LONG") == "" {
		t.Skipf("SKIPPED, %s takes long: make test-long runs it (RINGLOOM_TEST_LONG=1)", what)
	}
}
