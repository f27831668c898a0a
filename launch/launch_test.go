package launch

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
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
const announces = `if [ -n "$RINGLOOM_ANNOUNCE_FD" ]; then eval "echo here:1 >&$RINGLOOM_ANNOUNCE_FD"; fi; `

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
	if !errors.As(err, &failed) || failed.Rank != 0 || outcome.Exits[0].Signal != syscall.SIGKILL || outcome.Exits[1].Code != 7 {
		t.Errorf("%+v, %v", outcome, err)
	}
	if !strings.Contains(out.String(), "overdue {Ranks:1 Failed:1 After:50ms}") {
		t.Errorf("nobody says that a rank is overdue:\n%s", out)
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
