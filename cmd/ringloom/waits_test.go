package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"ringloom/internal/filelock"
	"ringloom/nn/onednn"
)

// children are the processes that a process has started and that have not ended.
func children(t *testing.T, pid int) (all []int) {
	t.Helper()
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil || len(stats) == 0 {
		t.Skip("SKIPPED: this system has no /proc")
	}
	for _, path := range stats {
		content, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended meanwhile
		}
		// "pid (name) state parent ...", and a name may have anything in it
		f := strings.Fields(string(content[bytes.LastIndexByte(content, ')')+1:]))
		child, _ := strconv.Atoi(strings.Split(path, "/")[2])
		if f[1] == strconv.Itoa(pid) && f[0] != "Z" {
			all = append(all, child)
		}
	}
	return all
}

// state is what a process does, as /proc calls it; Z where it has ended.
func state(pid int) string {
	content, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return "Z"
	}
	return strings.Fields(string(content[bytes.LastIndexByte(content, ')')+1:]))[0]
}

// until waits for something to be so.
func until(t *testing.T, what string, so func() bool) {
	t.Helper()
	for begin := time.Now(); !so(); time.Sleep(10 * time.Millisecond) {
		if time.Since(begin) > patience {
			t.Fatal("waited in vain: ", what)
		}
	}
}

func (p *process) signal(s syscall.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		p.t.Fatal(err)
	}
}

// Whatever a launch waits for, it says so, and ends with the first signal.
func TestASignalEndsTheWaitForALock(t *testing.T) {
	needData(t)
	needKernels(t)
	cache := filepath.Join(t.TempDir(), "ringloom")
	held, err := filelock.Take(t.Context(), filepath.Join(cache, "locks", "kernels"), filelock.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer held.Release()
	t.Setenv("XDG_CACHE_HOME", filepath.Dir(cache))
	p := start(t, t.TempDir(), "launch", "-n", "2", "--", "--offline")
	p.waitFor(`still busy.*waiting for another process that tries`)
	p.signal(syscall.SIGINT)
	p.wantExit(130)
}

func TestASignalEndsKernelTrials(t *testing.T) {
	needData(t)
	needKernels(t)
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	p := start(t, t.TempDir(), "launch", "-n", "2", "--", "--offline", "--model", "vgg11", "--global-batch", "64")
	p.waitFor(`still busy.*trying how to compute vgg11`)
	p.signal(syscall.SIGTERM)
	p.wantExit(130)
}

// The ranks of a launcher that is killed end, whatever they do.
func TestRanksDoNotOutliveTheLauncherInTrials(t *testing.T) {
	needData(t)
	needKernels(t)
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	p := start(t, t.TempDir(), "launch", "-n", "2", "--", "--offline", "--model", "vgg11", "--global-batch", "64")
	p.waitFor(`still busy.*trying how to compute vgg11`)
	ranks := children(t, p.cmd.Process.Pid)
	p.signal(syscall.SIGKILL)
	for _, rank := range ranks {
		until(t, "a rank's end", func() bool { return state(rank) == "Z" })
	}
	if len(ranks) == 0 {
		t.Error("no rank was seen")
	}
}

func TestABenchsChildDoesNotOutliveIt(t *testing.T) {
	p := start(t, t.TempDir(), "bench", "step", "--model", "all", "--duration", "1m")
	var child []int
	until(t, "a child", func() bool { child = children(t, p.cmd.Process.Pid); return len(child) > 0 })
	p.signal(syscall.SIGKILL)
	until(t, "the child's end", func() bool { return state(child[0]) == "Z" })
}

// Ranks stop with the launcher and go on with it, though they stood still for longer than the ring would wait for one.
func TestALaunchThatIsStoppedGoesOn(t *testing.T) {
	needData(t)
	needSpeed(t)
	p := start(t, t.TempDir(), "launch", "-n", "2", "--", "--offline", "--epochs", "1000", "--ring-deadline", "2s")
	p.waitFor(`(?m)^epoch 1, `)
	ranks := children(t, p.cmd.Process.Pid)
	p.signal(syscall.SIGTSTP)
	for _, pid := range append(ranks, p.cmd.Process.Pid) {
		until(t, "a process that stops", func() bool { return state(pid) == "T" })
	}
	time.Sleep(4 * time.Second) // twice the ring's deadline
	before, _ := p.text()
	p.signal(syscall.SIGCONT)
	until(t, "another epoch", func() bool {
		now, _ := p.text()
		return strings.Count(now, "\nepoch ") > strings.Count(before, "\nepoch ")+1
	})
	p.signal(syscall.SIGINT)
	p.wantExit(130)
	if len(ranks) != 2 {
		t.Errorf("ranks %v", ranks)
	}
}

// A reader who takes nothing does not keep a training from going on.
func TestAStalledPipeStopsNoStep(t *testing.T) {
	needData(t)
	needSpeed(t)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	fd := int(w.Fd())
	if err := syscall.SetNonblock(fd, true); err != nil {
		t.Fatal(err)
	}
	for page := make([]byte, 4096); err == nil; { // until nothing goes in any more
		_, err = syscall.Write(fd, page)
	}
	if err := syscall.SetNonblock(fd, false); err != nil {
		t.Fatal(err)
	}
	executable, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	cmd := exec.Command(executable, append([]string{"launch", "-n", "2", "--", "--offline", "--run-dir", filepath.Join(dir, "run")}, quick...)...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, w, w
	cmd.Env = append(os.Environ(), envBeCommand+"=1")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Process.Kill()
	w.Close()
	until(t, "the end of the training", func() bool {
		_, err := os.Stat(filepath.Join(dir, "run", "final.safetensors"))
		return err == nil
	})
	text, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil || !bytes.Contains(text, []byte("parameters sha256")) {
		t.Errorf("%v\n%s", err, bytes.Trim(text, "\x00"))
	}
}

// Results are not lost where they cannot be written.
func TestAFullDeviceIsAnError(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skip("SKIPPED: ", err)
	}
	defer full.Close()
	executable, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"models"}, {"devices"}, {"version"}, {"--help"}} {
		cmd := exec.Command(executable, args...)
		cmd.Env, cmd.Stdout = append(os.Environ(), envBeCommand+"=1"), full
		if _ = cmd.Run(); cmd.ProcessState.ExitCode() != 1 {
			t.Errorf("%v: exit code %d", args, cmd.ProcessState.ExitCode())
		}
	}
}

func TestWhatThisMachineCannotStartIsRefused(t *testing.T) {
	for says, args := range map[string][]string{
		"-n 100000: this machine gives .* --iters":      {"bench", "allreduce", "-n", "100000"},
		"-n 100000: this machine gives":                 {"launch", "-n", "100000"},
		"--ranks 100000: this machine gives":            {"bench", "scaling", "--ranks", "1,100000"},
		`--threads is 1, and 2 behind --: give it once`: {"launch", "-n", "2", "--threads", "1", "--", "--threads", "2"},
		`--device is cpu, and purego behind --: give`:   {"launch", "-n", "2", "--device", "cpu", "--", "--device", "purego"},
	} {
		p := start(t, t.TempDir(), args...)
		p.wantExit(2)
		p.waitFor(says)
	}
}

func TestOneRankSaysWhatHasNoEffect(t *testing.T) {
	needData(t)
	p := start(t, t.TempDir(), append([]string{"train", "--expect", "1", "--bind", "127.0.0.1:0", "--offline", "--wire", "int8", "--rings", "1"}, quick...)...)
	p.waitFor(`these flags have no effect.*--wire.*--rings`)
	p.wantExit(0)
}

// needKernels skips a test of trials where no device of this build knows several ways to compute.
func needKernels(t *testing.T) {
	if err := onednn.Available(); err != nil {
		t.Skip("SKIPPED: there is nothing to try: ", err)
	}
}
