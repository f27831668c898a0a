package launch

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// elasticScript has ranks that outlive each other run a shell script in a folder of their own. $1 is "founder" for those that begin, and
// the addresses to join else: a rank is at its slot's number.
func elasticScript(t *testing.T, ranks int, text string) (Config, *output) {
	c, out := script(ranks, "")
	c.Command = []string{"sh", "-c", `cd "$DIR"; n=$RINGLOOM_LOCAL_RANK
		eval "echo at$n >&$RINGLOOM_ANNOUNCE_FD; echo formed >&$RINGLOOM_ANNOUNCE_FD; exec $RINGLOOM_ANNOUNCE_FD>&-"
		until_there() { while [ ! -e $1 ]; do sleep 0.01; done; }
		touch formed$n; until_there formed0; until_there formed1
		` + text, "rank"}
	c.Env = append(c.Env, "DIR="+t.TempDir())
	e := DefaultElastic()
	e.Founders = []string{"founder"}
	e.FirstBackoff = time.Millisecond
	e.Departed = func(code int) bool { return code == 6 }
	e.OnEvent = func(event any) { fmt.Fprintln(out, describe(event)) }
	c.Elastic = &e
	return c, out
}

func TestADeadProcessIsReplaced(t *testing.T) {
	c, out := elasticScript(t, 2, `
		echo "$n begins as $*, bound $RINGLOOM_BOUND" >&2
		echo $RINGLOOM_BIRTH
		[ -e again ] || { [ $n = 1 ] && { touch again; kill -9 $$; }; }
		[ $n = 1 ] && touch done
		until_there done`)
	outcome, err := Run(t.Context(), c)
	if err != nil || len(outcome.Exits) != 3 {
		t.Errorf("%+v, %v", outcome, err)
	}
	for _, line := range []string{"slot 0 | 0 begins as founder, bound \n", "slot 1 | 1 begins as founder at0, bound \n", "slot 1 | 1 begins as at0, bound \n", "slot 1 again in 1ms, 1 of 3\n"} {
		if !strings.Contains(out.String(), line) {
			t.Errorf("%q is not in\n%s", line, out)
		}
	}
	births := map[string]bool{}
	for line := range strings.Lines(out.String()) {
		if strings.Trim(line, "0123456789\n") == "" {
			births[line] = true
		}
	}
	if e := outcome.Exits[0]; len(births) != 3 || !e.Slot || !e.Formed || e.Signal != syscall.SIGKILL {
		t.Errorf("births %v, first end %+v", births, e)
	}
}

// Slots that come on top of those for which there are cores run on any.
func TestTheNumberOfProcessesChanges(t *testing.T) {
	c, out := elasticScript(t, 2, `
		trap "echo $n leaves; exit 6" TERM; echo "$n is here, bound $RINGLOOM_BOUND"
		while [ ! -e done ]; do sleep 0.01; done`)
	c.Cores = [][]int{{0}, {0}}
	asks := make(chan Resize)
	c.Elastic.Resize = asks
	by := func(more int) {
		replied := make(chan struct{})
		asks <- Resize{Ranks: func(now int) (int, error) { return now + more, nil }, Reply: func(before, now int, err error) {
			fmt.Fprintln(out, before, "to", now, err)
			close(replied)
		}}
		<-replied
	}
	go func() {
		out.waitFor("0 is here, bound 1")
		out.waitFor("1 is here, bound 1")
		for !strings.Contains(out.String(), "2 to 3 <nil>") { // what processes say to the launcher comes another way than what they print
			by(1)
		}
		out.waitFor("2 is here, bound \n")
		by(-1)
		out.waitFor("2 leaves")
		by(-2)
		out.waitFor("2 to 2 0 ranks are fewer")
		os.WriteFile(filepath.Join(strings.TrimPrefix(c.Env[len(c.Env)-1], "DIR="), "done"), nil, 0o644)
	}()
	if outcome, err := Run(t.Context(), c); err != nil || len(outcome.Exits) != 3 {
		t.Errorf("%+v, %v\n%s", outcome, err, out)
	}
}

func TestAllProcessesLeave(t *testing.T) {
	c, out := elasticScript(t, 2, `trap "exit 6" TERM; echo "$n is here"; while :; do sleep 0.01; done`)
	leave := make(chan struct{})
	c.Elastic.Leave = leave
	go func() {
		out.waitFor("0 is here")
		out.waitFor("1 is here")
		close(leave)
	}()
	var failed *Failure
	if _, err := Run(t.Context(), c); !errors.As(err, &failed) || failed.Code != 6 || !strings.HasPrefix(failed.Error(), "slot ") {
		t.Errorf("%v", err)
	}
}

// The context's end is SIGINT, for SIGTERM would have a rank leave; one that is stopped goes on for it, and a deaf one is killed.
func TestTheEndOfTheContextInterrupts(t *testing.T) {
	for name, how := range map[string][2]string{"deaf": {`trap "" INT; `}, "stopped": {"", `[ $n = 1 ] && kill -STOP $$; `}, "hearing": {}} {
		stop := errors.New("stop")
		ctx, cancel := context.WithCancelCause(t.Context())
		c, out := elasticScript(t, 2, `trap "exit 1" TERM; trap "exit 130" INT; `+how[0]+`echo "$n is here"; `+how[1]+`while :; do sleep 0.01; done`)
		c.EndAfterTerm = 50 * time.Millisecond
		if name == "hearing" {
			c.EndAfterTerm = time.Hour
		}
		go func() {
			out.waitFor("0 is here")
			out.waitFor("1 is here")
			cancel(stop)
		}()
		outcome, err := Run(ctx, c)
		if !errors.Is(err, stop) || len(outcome.Exits) != 2 {
			t.Errorf("%s: %+v, %v", name, outcome, err)
		}
		for _, e := range outcome.Exits {
			if e.Code == 1 || name == "deaf" && !e.Hung || name == "hearing" && e.Code != 130 {
				t.Errorf("%s: %+v", name, e)
			}
		}
		if outcome, err = Run(ctx, c); !errors.Is(err, stop) || len(outcome.Exits) != 0 {
			t.Errorf("%s, with a context that has ended: %+v, %v", name, outcome, err)
		}
	}
}

func TestWhatCannotBeStartedIsGivenUp(t *testing.T) {
	c, out := elasticScript(t, 2, "")
	c.Command = []string{"/nowhere/ringloom"}
	var failed *Failure
	if outcome, err := Run(t.Context(), c); !errors.As(err, &failed) || len(outcome.Exits) != 0 || !strings.Contains(err.Error(), "starting it: ") {
		t.Errorf("%+v, %v", outcome, err)
	}
	if !strings.Contains(out.String(), "slot 0 again in 4ms, 3 of 3") {
		t.Errorf("it is tried again:\n%s", out)
	}
}

// A rank that crashes is worth another try, whatever its exit code means elsewhere.
func TestACrashedProcessIsReplaced(t *testing.T) {
	c, out := elasticScript(t, 2, `[ -e again ] || { [ $n = 0 ] && { touch again; echo "panic: index out of range" >&2; exit 2; }; }
		[ $n = 0 ] && touch done; until_there done`)
	if outcome, err := Run(t.Context(), c); err != nil || outcome.Exits[0].Crash != "panic: index out of range" {
		t.Errorf("%+v, %v\n%s", outcome, err, out)
	}
}
