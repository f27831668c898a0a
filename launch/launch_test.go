package launch

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// output collects what is written, for readers meanwhile.
type output struct {
	mu      sync.Mutex
	text    bytes.Buffer
	changed chan struct{} // has a token after each write
}

func newOutput() *output { return &output{changed: make(chan struct{}, 1)} }

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	select {
	case o.changed <- struct{}{}:
	default:
	}
	return o.text.Write(b)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// waitFor blocks until says is in the output.
func (o *output) waitFor(says string) {
	for !strings.Contains(o.String(), says) {
		<-o.changed
	}
}

// announces is the part of a script in which rank 0 says where it is.
const announces = `if [ -n "$RINGLOOM_ANNOUNCE_FD" ]; then eval "echo here:1 >&$RINGLOOM_ANNOUNCE_FD; echo formed >&$RINGLOOM_ANNOUNCE_FD"; fi; `

// alone is the same, but the cluster never forms.
const alone = `if [ -n "$RINGLOOM_ANNOUNCE_FD" ]; then eval "echo here:1 >&$RINGLOOM_ANNOUNCE_FD"; fi; `

// script has ranks run a shell script, whose $0 is "rank" and whose $1 is the address that they join.
func script(ranks int, text string) (Config, *output) {
	c, out := Default(), newOutput()
	c.Ranks, c.Stdout, c.Stderr = ranks, out, out
	c.Command = []string{"sh", "-c", announces + text, "rank"}
	c.Env = []string{"PATH=" + os.Getenv("PATH"), "MINE=1"}
	c.Join = func(address string) []string { return []string{address} }
	c.Consequence = func(code int) bool { return code == 5 }
	return c, out
}

func TestRanksAreToldWhoTheyAreAndWhomToJoin(t *testing.T) {
	c, out := script(3, `echo "$RINGLOOM_LOCAL_RANK joins $1, mine $MINE, quiet $RINGLOOM_QUIET, terminal $RINGLOOM_TERMINAL, bound $RINGLOOM_BOUND"
		echo "$RINGLOOM_BIRTH" >&2`)
	c.Quiet = true
	outcome, err := Run(t.Context(), c)
	if err != nil || len(outcome.Exits) != 3 || outcome.Result != nil {
		t.Fatalf("%+v, %v", outcome, err)
	}
	var births [3]int64
	for rank, joins := range []string{"", "here:1", "here:1"} {
		if line := fmt.Sprintf("%d joins %s, mine 1, quiet 1, terminal , bound \n", rank, joins); !strings.Contains(out.String(), line) {
			t.Errorf("%q is not in\n%s", line, out)
		}
		_, after, _ := strings.Cut(out.String(), fmt.Sprintf("rank %d | ", rank))
		if _, err := fmt.Sscan(after, &births[rank]); err != nil {
			t.Errorf("rank %d has no birth: %v", rank, err)
		}
		if e := outcome.Exits[rank]; e.Rank != rank || e.PID <= 0 || e.Code != 0 || e.Err != nil {
			t.Errorf("%+v", e)
		}
	}
	if births[1] != births[0]+1 || births[2] != births[0]+2 {
		t.Errorf("births %v do not increase with the rank", births)
	}
}

func TestRankZeroHandsOverAResult(t *testing.T) {
	c, _ := script(2, `if [ -n "$RINGLOOM_RESULT_FD" ]; then eval "echo measured >&$RINGLOOM_RESULT_FD"; fi`)
	c.Result = true
	if outcome, err := Run(t.Context(), c); err != nil || string(outcome.Result) != "measured\n" {
		t.Errorf("%q, %v", outcome.Result, err)
	}
}

// A rank that a signal killed is the cause, else one that failed by itself, whichever ended first: the others' exit code says that
// they ended because of it.
func TestTheRootCauseIsFound(t *testing.T) {
	for name, want := range map[string]Exit{
		"kill -9 $$": {Code: -1, Signal: syscall.SIGKILL},
		"exit 3":     {Code: 3},
		"exit 130":   {Code: 130},
	} {
		c, _ := script(3, `[ $RINGLOOM_LOCAL_RANK = 1 ] || exit 5; `+name)
		_, err := Run(t.Context(), c)
		var failed *Failure
		if !errors.As(err, &failed) || failed.Rank != 1 || failed.Code != want.Code || failed.Signal != want.Signal {
			t.Errorf("%s: %+v", name, err)
		}
	}
	c, _ := script(2, `exit 5`)
	var failed *Failure
	if _, err := Run(t.Context(), c); !errors.As(err, &failed) || failed.Code != 5 || !strings.Contains(failed.Error(), "failed: exit status 5") {
		t.Errorf("%v", err)
	}
}

// Rank 0 fails before it has an address: nobody else is started.
func TestRankZeroThatFailsAtOnceIsAlone(t *testing.T) {
	c, _ := script(3, ``)
	c.Command = []string{"sh", "-c", "exit 2"}
	outcome, err := Run(t.Context(), c)
	var failed *Failure
	if !errors.As(err, &failed) || failed.Code != 2 || len(outcome.Exits) != 1 {
		t.Errorf("%+v, %v", outcome, err)
	}
	c.Command = []string{"/nowhere/ringloom"}
	if outcome, err = Run(t.Context(), c); err == nil || len(outcome.Exits) != 0 || !strings.Contains(err.Error(), "starting rank 0: ") {
		t.Errorf("%+v, %v", outcome, err)
	}
}

// A rank that hears neither of the failure nor of SIGTERM is killed in the end.
func TestRanksThatHangAreEnded(t *testing.T) {
	c, out := script(2, `trap "" TERM; [ $RINGLOOM_LOCAL_RANK = 1 ] && exit 7; while :; do sleep 0.01; done`)
	c.EndByThemselves, c.EndAfterTerm = 50*time.Millisecond, 50*time.Millisecond
	c.OnOverdue = func(o Overdue) { fmt.Fprintf(c.Stderr, "overdue %+v\n", o) }
	outcome, err := Run(t.Context(), c)
	var failed *Failure
	if !errors.As(err, &failed) || failed.Rank != 1 || outcome.Exits[0].Signal != syscall.SIGKILL || !outcome.Exits[0].Hung || outcome.Exits[1].Code != 7 {
		t.Errorf("%+v, %v", outcome, err)
	}
	if !strings.Contains(out.String(), "overdue {Ranks:1 Failed:1 After:50ms}") {
		t.Errorf("nobody says that a rank is overdue:\n%s", out)
	}
}

// One that hangs is the cause of the others' ends where they say that another one was, and nobody says that a signal killed it.
func TestARankThatHangsIsTheCause(t *testing.T) {
	c, _ := script(3, `trap "" TERM; [ $RINGLOOM_LOCAL_RANK = 2 ] || exit 5; while :; do sleep 0.01; done`)
	c.EndByThemselves, c.EndAfterTerm = 50*time.Millisecond, 50*time.Millisecond
	_, err := Run(t.Context(), c)
	var failed *Failure
	if !errors.As(err, &failed) || failed.Rank != 2 || !strings.Contains(failed.Error(), "hung, ended by launch") {
		t.Errorf("%v", err)
	}
}

// Until the cluster has formed nobody tells the others of a failure: they are not waited for, and are no cause for having been ended.
func TestWithoutAClusterTheOthersAreEndedAtOnce(t *testing.T) {
	for _, how := range []string{`trap "exit 130" TERM; `, ``, `trap "" TERM; `} {
		c, out := script(2, "")
		c.Command = []string{"sh", "-c", alone + how + `[ $RINGLOOM_LOCAL_RANK = 1 ] && exit 4; while :; do sleep 0.01; done`}
		c.EndByThemselves, c.EndUnformed, c.EndAfterTerm = time.Hour, time.Millisecond, 50*time.Millisecond
		c.OnOverdue = func(o Overdue) { t.Errorf("%+v", o) }
		_, err := Run(t.Context(), c)
		var failed *Failure
		if !errors.As(err, &failed) || failed.Rank != 1 || failed.Code != 4 {
			t.Errorf("%q: %v\n%s", how, err, out)
		}
	}
}

// What ends while rank 0 has not said where it is, is not waited for; nor a rank that does not hear of it.
func TestTheEndOfTheContextIsHeardEverywhere(t *testing.T) {
	stop := errors.New("stop")
	for name, ranks := range map[string]string{
		"no address yet": `exec sleep 1000`,
		"deaf":           alone + `trap "" TERM; echo ready; while :; do sleep 0.01; done`,
		"stopped":        alone + `echo ready; kill -STOP $$`,
	} {
		ctx, cancel := context.WithCancelCause(t.Context())
		c, out := script(2, "")
		c.Command = []string{"sh", "-c", `echo started; ` + ranks}
		c.EndByThemselves, c.EndAfterTerm = time.Hour, 50*time.Millisecond
		go func() {
			out.waitFor("started")
			cancel(stop)
		}()
		if _, err := Run(ctx, c); !errors.Is(err, stop) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Go's runtime ends a process that crashes with a code that means something else where it ends by itself.
func TestACrashIsNoExitCode(t *testing.T) {
	for says, crash := range map[string]bool{
		"runtime: failed to create new OS thread (have 20 already; errno=11)": true,
		"panic: index out of range": true,
		"unknown flag: --x":         false,
	} {
		c, out := script(2, `[ $RINGLOOM_LOCAL_RANK = 0 ] && exit 5; echo "`+says+`" >&2; echo goroutine 1 >&2; exit 2`)
		_, err := Run(t.Context(), c)
		var failed *Failure
		if !errors.As(err, &failed) || failed.Rank != 1 || (failed.Crash == says) != crash || crash != strings.Contains(failed.Error(), "crashed: "+says) {
			t.Errorf("%s: %v", says, err)
		}
		if threads := strings.Contains(says, "OS thread"); threads == strings.Contains(out.String(), "goroutine 1") {
			t.Errorf("%s: the state of goroutines tells nothing where there are too few threads, and much elsewhere:\n%s", says, out)
		}
	}
}

// Ranks go on with this process; that they stop with it is TestALaunchThatIsStoppedGoesOn's, of the command.
func TestRanksFollowJobControl(t *testing.T) {
	l, out := new(launcher), newOutput()
	cmd := exec.Command("sh", "-c", `trap 'echo goes on; exit 0' CONT; echo ready; while :; do sleep 0.01; done`)
	cmd.Stdout = out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Process.Kill()
	l.processes = []*process{{cmd: cmd}}
	out.waitFor("ready")
	end := l.followJobControl()
	if err := syscall.Kill(cmd.Process.Pid, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(os.Getpid(), syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	out.waitFor("goes on")
	end()
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
}

func TestTheEndOfTheContextReachesTheRanks(t *testing.T) {
	stop := errors.New("stop")
	ctx, cancel := context.WithCancelCause(t.Context())
	c, out := script(2, `trap "exit 130" TERM; echo ready $RINGLOOM_LOCAL_RANK; while :; do sleep 0.01; done`)
	go func() {
		out.waitFor("ready 0")
		out.waitFor("ready 1")
		cancel(stop)
	}()
	outcome, err := Run(ctx, c)
	if !errors.Is(err, stop) || outcome.Exits[0].Code != 130 || outcome.Exits[1].Code != 130 {
		t.Errorf("%+v, %v", outcome, err)
	}
	if outcome, err = Run(ctx, c); !errors.Is(err, stop) || len(outcome.Exits) != 0 {
		t.Errorf("with a context that has ended: %+v, %v", outcome, err)
	}
}

func TestValidate(t *testing.T) {
	good, _ := script(2, "")
	if err := good.Validate(); err != nil {
		t.Error(err)
	}
	for says, change := range map[string]func(*Config){
		"0 ranks":                      func(c *Config) { c.Ranks = 0 },
		"no command":                   func(c *Config) { c.Command = nil },
		"nowhere to write":             func(c *Config) { c.Stderr = nil },
		"cores for 1 ranks":            func(c *Config) { c.Cores = [][]int{{0}} },
		"give positive times":          func(c *Config) { c.EndAfterTerm = 0 },
		"nil: start from Default":      func(c *Config) { c.Join = nil },
		"no command to start":          func(c *Config) { c.Command = []string{} },
		"-1s to end by themselves and": func(c *Config) { c.EndByThemselves = -time.Second },
	} {
		c := good
		change(&c)
		if err := c.Validate(); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("want %q, got %v", says, err)
		}
		if _, err := Run(t.Context(), c); err == nil {
			t.Errorf("%s: it runs", says)
		}
	}
}
