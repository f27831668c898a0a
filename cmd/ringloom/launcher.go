package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/term"
)

// What the launcher tells its children through the environment; every command that joins a cluster reads it.
const (
	envBirth      = "RINGLOOM_BIRTH"       // nanoseconds since 1970; increases with the rank
	envLocalRank  = "RINGLOOM_LOCAL_RANK"  // number of the child, from 0
	envAnnounceFD = "RINGLOOM_ANNOUNCE_FD" // the first child writes its gossip address there
	envResultFD   = "RINGLOOM_RESULT_FD"   // and there what it has measured, where the launcher wants to know
	envTerminal   = "RINGLOOM_TERMINAL"    // the launcher prints on a terminal: log for people, draw the bar
	envQuiet      = "RINGLOOM_QUIET"       // log warnings only
	envBound      = "RINGLOOM_BOUND"       // the process has cores of its own
)

// rankArguments are those of one of n ranks on this machine: of the command, with its flags.
func rankArguments(n int, command ...string) []string {
	return append(command, "--expect", strconv.Itoa(n), "--bind", "127.0.0.1:0")
}

// timerSlack is how late the ranks' timers may fire. Go's runtime looks after its threads every 20 microseconds, each time taking
// the core from the thread that computes; so it does that a thousand times a second at most. docs/decisions/0015 has the figures.
const timerSlack = time.Millisecond

// launcher starts and watches the ranks of one machine: n processes of any command that joins a cluster.
type launcher struct {
	n     int
	args  []string
	out   io.Writer
	quiet bool    // the ranks log warnings only, unless they are told to --debug
	exact bool    // the ranks' timers are what is measured: let them be exact
	cores [][]int // those that each rank keeps to; nil: any
	// result gets what rank 0 hands over with writePipe, complete when run has returned; nil: it has nobody to hand it to.
	result *bytes.Buffer

	logMu sync.Mutex
	log   io.Writer
}

// child is one started rank.
type child struct {
	rank int
	cmd  *exec.Cmd
	err  error
}

func (l *launcher) run(ctx context.Context) error {
	executable, err := os.Executable()
	if err != nil {
		return fmt.Errorf("finding this program to start it again: %w", err)
	}
	env := append(os.Environ(), l.secrets()...)
	if f, ok := l.log.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		env = append(env, envTerminal+"=1")
	}
	if l.quiet {
		env = append(env, envQuiet+"=1")
	}
	birth := time.Now().UnixNano()

	ended := make(chan *child, l.n)
	var children []*child
	var join []string
	for rank := range l.n {
		if ctx.Err() != nil {
			break
		}
		c := &child{rank: rank, cmd: exec.Command(executable, append(l.args[:len(l.args):len(l.args)], join...)...)}
		c.cmd.Env = append(env[:len(env):len(env)], fmt.Sprintf("%s=%d", envBirth, birth+int64(rank)), fmt.Sprintf("%s=%d", envLocalRank, rank))
		var announced <-chan string
		if rank == 0 {
			var read func()
			if announced, read, err = l.prepareFirst(c); err != nil {
				return err
			}
			defer read()
		}
		if err := l.start(c, ended); err != nil {
			l.endAll(children, ended, 0)
			return fmt.Errorf("starting rank %d: %w", rank, err)
		}
		children = append(children, c)
		if rank == 0 {
			address, ok := <-announced
			if !ok { // it ended before it had an address; wait reports why
				break
			}
			join = []string{"--join", address}
		}
	}
	return l.wait(ctx, children, ended)
}

// secrets makes a gossip key and a NATS token for this launch unless the user gave some.
func (l *launcher) secrets() (env []string) {
	for _, name := range []string{envKey, envToken} {
		if os.Getenv(name) == "" {
			env = append(env, name+"="+rand.Text())
		}
	}
	return env
}

// prepareFirst lets rank 0 say through a pipe which address the others shall join. The channel closes without a
// value if it ends first. read returns when the result, if one is wanted, is complete.
func (l *launcher) prepareFirst(c *child) (_ <-chan string, read func(), err error) {
	r, err := c.pipe(envAnnounceFD)
	if err != nil {
		return nil, nil, err
	}
	address := make(chan string, 1)
	go func() {
		defer close(address)
		defer r.Close()
		if line, err := bufio.NewReader(r).ReadString('\n'); err == nil {
			address <- strings.TrimSpace(line)
		}
	}()
	if l.result == nil {
		return address, func() {}, nil
	}
	result, err := c.pipe(envResultFD)
	if err != nil {
		return nil, nil, err
	}
	whole := make(chan struct{})
	go func() {
		defer close(whole)
		defer result.Close()
		l.result.ReadFrom(result) // a reader of a pipe sees no error but the end
	}()
	return address, func() { <-whole }, nil
}

// pipe gives c the writing end of a pipe, whose number it finds in the environment.
func (c *child) pipe(env string) (*os.File, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("making a pipe: %w", err)
	}
	const first = 3 // behind standard input, output and error
	c.cmd.Env = append(c.cmd.Env, fmt.Sprintf("%s=%d", env, first+len(c.cmd.ExtraFiles)))
	c.cmd.ExtraFiles = append(c.cmd.ExtraFiles, w)
	return r, nil
}

// writePipe is the other end, in the child: it writes everything at once. It is not there where nobody gave this process
// such a pipe.
func writePipe(env string, content []byte) (there bool, err error) {
	fd, err := strconv.Atoi(os.Getenv(env))
	if err != nil {
		return false, nil
	}
	pipe := os.NewFile(uintptr(fd), "launcher")
	_, err = pipe.Write(content)
	return true, errors.Join(err, pipe.Close())
}

// start runs c and reports it on ended when it is over and all its output is printed.
func (l *launcher) start(c *child, ended chan<- *child) error {
	c.cmd.SysProcAttr = &syscall.SysProcAttr{
		Setpgid:   true,            // a terminal's ctrl-C reaches the launcher alone, which forwards it once
		Pdeathsig: syscall.SIGTERM, // and the ranks do not outlive it
	}
	stderr, err := c.cmd.StderrPipe()
	if err != nil {
		return err
	}
	stdout, err := c.cmd.StdoutPipe()
	if err != nil {
		return err
	}
	// Pdeathsig fires when the OS thread that forked ends, so the thread must last as long as the child.
	started := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with this goroutine, bound as it is
		err := l.startBound(c)
		for _, f := range c.cmd.ExtraFiles {
			f.Close()
		}
		started <- err
		if err != nil {
			return
		}
		var copies sync.WaitGroup
		copies.Go(func() { l.copyLines("", stdout, l.out) })
		copies.Go(func() { l.copyLines(fmt.Sprintf("rank %d | ", c.rank), stderr, l.log) })
		copies.Wait()
		c.err = c.cmd.Wait()
		ended <- c
	}()
	return <-started
}

// startBound starts c on its cores and with late timers, which it takes over from the calling thread.
func (l *launcher) startBound(c *child) error {
	if !l.exact {
		_ = delayTimers(timerSlack) // where the system does not allow it, ranks are slower
	}
	if l.cores != nil {
		if err := bindThread(l.cores[c.rank]); err != nil {
			return err
		}
		c.cmd.Env = append(c.cmd.Env, envBound+"=1")
	}
	return c.cmd.Start()
}

// copyLines writes whole lines behind prefix, so that lines of several ranks never mix. A progress bar redraws itself
// with carriage returns; those pieces pass as they are.
func (l *launcher) copyLines(prefix string, from io.Reader, to io.Writer) {
	lines := bufio.NewScanner(from)
	lines.Buffer(nil, 1<<20)
	lines.Split(func(data []byte, atEOF bool) (int, []byte, error) {
		if i := bytes.IndexAny(data, "\r\n"); i >= 0 {
			return i + 1, data[:i+1], nil
		}
		if atEOF && len(data) > 0 {
			return len(data), append(data[:len(data):len(data)], '\n'), nil
		}
		return 0, nil, nil
	})
	for lines.Scan() {
		piece := lines.Bytes()
		l.logMu.Lock()
		if piece[len(piece)-1] == '\r' || len(piece) == 1 {
			to.Write(piece)
		} else {
			io.WriteString(to, prefix)
			to.Write(piece)
		}
		l.logMu.Unlock()
	}
	io.Copy(io.Discard, from) // a line over the limit: keep the child's pipe open all the same
}
