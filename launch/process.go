package launch

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"

	"ringloom/internal/sysinfo"
)

// timerSlack is how late the ranks' timers may fire. Go's runtime looks after its threads every 20 microseconds, each time taking
// the core from the thread that computes; so it does that a thousand times a second at most. docs/decisions/0015 has the figures.
const timerSlack = time.Millisecond

// process is one that was started, or is about to be.
type process struct {
	rank  int            // in an elastic launch the number of its slot
	slot  bool           // the launch is elastic
	birth time.Time      // which the cluster orders its members by
	heard sync.WaitGroup // on what it says through its pipes
	cmd   *exec.Cmd
	// What became of it, once it has come through launcher.ended:
	err         error  // of Wait
	crash       string // the line with which Go's runtime began to tell of a crash
	outOfMemory bool   // the system has killed processes to have memory

	// Run's own:
	over bool // it has come through ended
	told bool // it was told to end after another one's failure
	hung bool // and should have ended by itself before that

	pipes []*os.File // that the process gets, beside standard input, output and error
	env   []string   // that say their numbers
}

func (l *launcher) newProcess(rank int) *process {
	return &process{rank: rank, slot: l.Elastic != nil, birth: l.birth.Add(time.Duration(rank))}
}

// label stands before the lines of the process's standard error.
func (p *process) label() string {
	if p.slot {
		return fmt.Sprintf("slot %d | ", p.rank)
	}
	return fmt.Sprintf("rank %d | ", p.rank)
}

// listen lets the process say through a pipe at which address others shall join it, again where it comes to be at another one, and that it
// is in a cluster. Whoever waits for the process waits for these calls to return.
func (p *process) listen(announced func(address string), formed func()) error {
	r, err := p.pipe(EnvAnnounceFD)
	if err != nil {
		return err
	}
	p.heard.Go(func() {
		defer r.Close()
		for lines := bufio.NewReader(r); ; {
			line, err := lines.ReadString('\n')
			switch {
			case err != nil:
				return
			case line == sayFormed:
				formed()
			default:
				announced(strings.TrimSpace(line))
			}
		}
	})
	return nil
}

// announcement gives what rank 0 announces. The channel closes without a value if it ends before.
func (l *launcher) announcement(p *process) (<-chan string, error) {
	address := make(chan string, 1)
	err := p.listen(func(at string) {
		select {
		case address <- at:
		default: // it is not the first
		}
	}, func() { l.formed.Store(true) })
	if err != nil {
		return nil, err
	}
	go func() {
		p.heard.Wait()
		close(address)
	}()
	return address, nil
}

// handover lets the process hand something over. The function that it returns waits until that is complete, or the process has ended.
func (p *process) handover() (result func() []byte, err error) {
	r, err := p.pipe(EnvResultFD)
	if err != nil {
		p.closePipes()
		return nil, err
	}
	whole := make(chan []byte, 1)
	go func() {
		defer r.Close()
		content, _ := io.ReadAll(r) // a reader of a pipe sees no error but the end
		whole <- content
	}()
	return func() []byte { return <-whole }, nil
}

// pipe gives the process the writing end of a pipe, whose number it finds in the environment.
func (p *process) pipe(env string) (*os.File, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("making a pipe: %w", err)
	}
	const first = 3 // behind standard input, output and error
	p.env = append(p.env, fmt.Sprintf("%s=%d", env, first+len(p.pipes)))
	p.pipes = append(p.pipes, w)
	return r, nil
}

// closePipes closes this process's part of them, which the started one has of its own.
func (p *process) closePipes() {
	for _, f := range p.pipes {
		f.Close()
	}
	p.pipes = nil
}

// start runs a command as the process, which comes through ended when that is over and all its output is copied.
func (l *launcher) start(p *process, command []string) error {
	p.cmd = exec.Command(command[0], command[1:]...)
	p.cmd.ExtraFiles = p.pipes
	p.cmd.Env = append(l.Env[:len(l.Env):len(l.Env)], p.env...)
	p.cmd.Env = append(p.cmd.Env, fmt.Sprintf("%s=%d", EnvBirth, p.birth.UnixNano()), fmt.Sprintf("%s=%d", EnvLocalRank, p.rank))
	for name, set := range map[string]bool{EnvTerminal: l.Terminal, EnvQuiet: l.Quiet, EnvBound: p.rank < len(l.Cores)} {
		if set {
			p.cmd.Env = append(p.cmd.Env, name+"=1")
		}
	}
	p.cmd.SysProcAttr = &syscall.SysProcAttr{
		Setpgid:   true,            // a terminal's ctrl-C reaches the launcher alone, which forwards it once
		Pdeathsig: syscall.SIGTERM, // and the ranks do not outlive it
	}
	stderr, err := p.cmd.StderrPipe()
	if err != nil {
		p.closePipes()
		return err
	}
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		p.closePipes()
		return err
	}
	// Pdeathsig fires when the OS thread that forked ends, so the thread must last as long as the process.
	started := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with this goroutine, bound as it is
		err := l.startBound(p)
		p.closePipes()
		started <- err
		if err != nil {
			return
		}
		var copies sync.WaitGroup
		crash := crashWatch{}
		copies.Go(func() { l.copyLines("", stdout, l.Stdout, nil) })
		copies.Go(func() { l.copyLines(p.label(), stderr, l.Stderr, &crash) })
		copies.Wait()
		p.err, p.crash = p.cmd.Wait(), crash.first
		p.outOfMemory = p.killed() && l.claimKill()
		p.heard.Wait()
		l.ended <- p
	}()
	if err := <-started; err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.processes = append(l.processes, p)
	return nil
}

// killed says whether the process was killed as the system does that lacks memory.
func (p *process) killed() bool {
	var exit *exec.ExitError
	if !errors.As(p.err, &exit) {
		return false
	}
	status := exit.Sys().(syscall.WaitStatus)
	return status.Signaled() && status.Signal() == syscall.SIGKILL
}

// claimKill reports whether the system has killed another process for lack of memory since the last one that was claimed: in an elastic
// launch a rank that somebody kills later must not pass for one of those.
func (l *launcher) claimKill() bool {
	l.killsMu.Lock()
	defer l.killsMu.Unlock()
	if sysinfo.OutOfMemoryKills() <= l.kills {
		return false
	}
	l.kills++
	return true
}

// startBound starts the process on its cores and with late timers, which it takes over from the calling thread.
func (l *launcher) startBound(p *process) error {
	if !l.ExactTimers {
		_ = sysinfo.DelayTimers(timerSlack) // where the system does not allow it, ranks are slower
	}
	if p.rank < len(l.Cores) {
		if err := sysinfo.BindThread(l.Cores[p.rank]); err != nil {
			return err
		}
	}
	return p.cmd.Start()
}
