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

	"github.com/spf13/cobra"
	"golang.org/x/term"
)

// What the launcher tells its children through the environment; `ringloom train` reads it.
const (
	envBirth      = "RINGLOOM_BIRTH"       // nanoseconds since 1970; increases with the rank
	envAnnounceFD = "RINGLOOM_ANNOUNCE_FD" // the first child writes its gossip address there
	envTerminal   = "RINGLOOM_TERMINAL"    // the launcher prints on a terminal: log for people, draw the bar
)

// How long the other ranks have to end by themselves after a failure, and then after SIGTERM.
const (
	endByThemselves = 15 * time.Second
	endAfterTerm    = 5 * time.Second
)

func launchCommand() *cobra.Command {
	var n int
	var device string
	var threads int
	cmd := &cobra.Command{
		Use:   "launch -n N [flags] [-- train flags]",
		Short: "Start N training processes on this machine",
		Long: `Start N processes of 'ringloom train' on this machine, one rank each, and wait for them.

Results (the epoch lines and tables) go to standard output; each rank's log goes to standard error behind
its rank. Signals are forwarded. When one rank fails the others end too, and the first failure is the last
line printed; its exit code becomes the launcher's. Everything after -- goes to every 'ringloom train'.

Each launch makes its own gossip key and NATS token, so that two launches on a machine never meet.`,
		Example: `  ringloom launch -n 2
  ringloom launch -n 4 --device cpu -- --model lenet --epochs 3 --global-batch 512`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if n < 1 {
				return usageError{fmt.Errorf("-n %d: at least one process is needed", n)}
			}
			if cmd.ArgsLenAtDash() != 0 && len(args) > 0 {
				return usageError{fmt.Errorf("%q is not understood: flags of train go behind --, as in 'ringloom launch -n %d -- --epochs 3'", args[0], n)}
			}
			if threads == 0 {
				threads = max(1, runtime.NumCPU()/n)
			}
			l := &launcher{
				n: n, out: cmd.OutOrStdout(), log: cmd.ErrOrStderr(),
				args: append([]string{"train", "--expect", strconv.Itoa(n), "--bind", "127.0.0.1:0",
					"--device", device, "--threads", strconv.Itoa(threads)}, args...),
			}
			return l.run(cmd.Context())
		},
	}
	cmd.Flags().IntVarP(&n, "nproc", "n", 2, "number of processes")
	cmd.Flags().StringVar(&device, "device", "auto", deviceHelp)
	cmd.Flags().IntVar(&threads, "threads", 0, "compute threads of each process (0: the machine's cores shared out)")
	return cmd
}

// launcher starts and watches the ranks of one machine.
type launcher struct {
	n    int
	args []string
	out  io.Writer

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
	birth := time.Now().UnixNano()

	ended := make(chan *child, l.n)
	var children []*child
	var join []string
	for rank := range l.n {
		if ctx.Err() != nil {
			break
		}
		c := &child{rank: rank, cmd: exec.Command(executable, append(l.args[:len(l.args):len(l.args)], join...)...)}
		c.cmd.Env = append(env[:len(env):len(env)], fmt.Sprintf("%s=%d", envBirth, birth+int64(rank)))
		var announced <-chan string
		if rank == 0 {
			if announced, err = l.prepareFirst(c); err != nil {
				return err
			}
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
// value if it ends first.
func (l *launcher) prepareFirst(c *child) (<-chan string, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("making a pipe: %w", err)
	}
	c.cmd.ExtraFiles = []*os.File{w}
	c.cmd.Env = append(c.cmd.Env, envAnnounceFD+"=3")
	address := make(chan string, 1)
	go func() {
		defer close(address)
		defer r.Close()
		if line, err := bufio.NewReader(r).ReadString('\n'); err == nil {
			address <- strings.TrimSpace(line)
		}
	}()
	return address, nil
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
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := c.cmd.Start()
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

// wait ends when all children have ended. After the first failure the others get time to end by themselves, as they
// do when the cluster tells them.
func (l *launcher) wait(ctx context.Context, children []*child, ended chan *child) error {
	var first *child
	var deadline <-chan time.Time
	interrupt := ctx.Done()
	for left := len(children); left > 0; {
		select {
		case c := <-ended:
			left--
			if c.err != nil && first == nil {
				first = c
				timer := time.NewTimer(endByThemselves)
				defer timer.Stop()
				deadline = timer.C
			}
		case <-interrupt:
			interrupt = nil
			l.signal(children, syscall.SIGTERM)
		case <-deadline:
			l.printf("ringloom: %d ranks did not end within %v of rank %d's failure; ending them", left, endByThemselves, first.rank)
			l.endAll(children, ended, len(children)-left)
			left = 0
		}
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if first == nil {
		return nil
	}
	return l.verdict(first, children)
}

// verdict prints the root cause last. A rank that a signal killed is the cause of the others' errors, whichever ended
// first; else it is the rank whose own failure the others report.
func (l *launcher) verdict(first *child, children []*child) error {
	cause := first
	for _, c := range children {
		if rootRank(c) < rootRank(cause) {
			cause = c
		}
	}
	var exit *exec.ExitError
	if !errors.As(cause.err, &exit) {
		return fmt.Errorf("rank %d: %w", cause.rank, cause.err)
	}
	code := exit.ExitCode()
	if status := exit.Sys().(syscall.WaitStatus); status.Signaled() {
		code = exitPeer
		l.printf("ringloom: rank %d (pid %d) was killed by signal %d (%v); the other ranks ended because of it",
			cause.rank, cause.cmd.Process.Pid, status.Signal(), status.Signal())
	} else {
		l.printf("ringloom: rank %d (pid %d) failed with exit code %d; its log is marked \"rank %d |\" above",
			cause.rank, cause.cmd.Process.Pid, code, cause.rank)
	}
	return &alreadyShown{code}
}

// rootRank orders children by how likely they are the root cause: killed, failed by themselves, ended by a peer, fine.
func rootRank(c *child) int {
	var exit *exec.ExitError
	switch {
	case c.err == nil:
		return 3
	case !errors.As(c.err, &exit):
		return 1
	case exit.Sys().(syscall.WaitStatus).Signaled():
		return 0
	case exit.ExitCode() == exitPeer:
		return 2
	}
	return 1
}

// endAll stops the children that still run and waits for them: SIGTERM first, SIGKILL after endAfterTerm.
func (l *launcher) endAll(children []*child, ended <-chan *child, already int) {
	l.signal(children, syscall.SIGTERM)
	timer := time.NewTimer(endAfterTerm)
	defer timer.Stop()
	for left := len(children) - already; left > 0; {
		select {
		case <-ended:
			left--
		case <-timer.C:
			l.signal(children, syscall.SIGKILL)
		}
	}
}

// signal reaches the children that still run; os.Process refuses the others by itself.
func (l *launcher) signal(children []*child, s syscall.Signal) {
	for _, c := range children {
		c.cmd.Process.Signal(s)
	}
}

func (l *launcher) printf(format string, args ...any) {
	l.logMu.Lock()
	defer l.logMu.Unlock()
	fmt.Fprintf(l.log, format+"\n", args...)
}
