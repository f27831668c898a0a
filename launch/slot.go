package launch

import (
	"bufio"
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

// slot is a rank's place on this machine, with the process that fills it.
type slot struct {
	rank int
	cmd  *exec.Cmd
	// What became of the process, once the slot has come through launcher.ended:
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

func newSlot(rank int) *slot { return &slot{rank: rank} }

// announcement lets the process say through a pipe which address the others shall join, and later that the cluster has formed. The
// channel closes without a value if it ends before the first.
func (l *launcher) announcement(s *slot) (<-chan string, error) {
	r, err := s.pipe(EnvAnnounceFD)
	if err != nil {
		return nil, err
	}
	address := make(chan string, 1)
	go func() {
		defer close(address)
		defer r.Close()
		lines := bufio.NewReader(r)
		line, err := lines.ReadString('\n')
		if err != nil {
			return
		}
		address <- strings.TrimSpace(line)
		if line, err = lines.ReadString('\n'); err == nil && line == sayFormed {
			l.formed.Store(true)
		}
	}()
	return address, nil
}

// handover lets the process hand something over. The function that it returns waits until that is complete, or the process has ended.
func (s *slot) handover() (result func() []byte, err error) {
	r, err := s.pipe(EnvResultFD)
	if err != nil {
		s.closePipes()
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
func (s *slot) pipe(env string) (*os.File, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("making a pipe: %w", err)
	}
	const first = 3 // behind standard input, output and error
	s.env = append(s.env, fmt.Sprintf("%s=%d", env, first+len(s.pipes)))
	s.pipes = append(s.pipes, w)
	return r, nil
}

// closePipes closes this process's part of them, which the started one has of its own.
func (s *slot) closePipes() {
	for _, f := range s.pipes {
		f.Close()
	}
	s.pipes = nil
}

// start runs a command in the slot, which comes through ended when that is over and all its output is copied.
func (l *launcher) start(s *slot, command []string) error {
	s.cmd = exec.Command(command[0], command[1:]...)
	s.cmd.ExtraFiles = s.pipes
	s.cmd.Env = append(l.Env[:len(l.Env):len(l.Env)], s.env...)
	s.cmd.Env = append(s.cmd.Env, fmt.Sprintf("%s=%d", EnvBirth, l.birth.UnixNano()+int64(s.rank)), fmt.Sprintf("%s=%d", EnvLocalRank, s.rank))
	for name, set := range map[string]bool{EnvTerminal: l.Terminal, EnvQuiet: l.Quiet, EnvBound: l.Cores != nil} {
		if set {
			s.cmd.Env = append(s.cmd.Env, name+"=1")
		}
	}
	s.cmd.SysProcAttr = &syscall.SysProcAttr{
		Setpgid:   true,            // a terminal's ctrl-C reaches the launcher alone, which forwards it once
		Pdeathsig: syscall.SIGTERM, // and the ranks do not outlive it
	}
	stderr, err := s.cmd.StderrPipe()
	if err != nil {
		s.closePipes()
		return err
	}
	stdout, err := s.cmd.StdoutPipe()
	if err != nil {
		s.closePipes()
		return err
	}
	// Pdeathsig fires when the OS thread that forked ends, so the thread must last as long as the process.
	started := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with this goroutine, bound as it is
		err := l.startBound(s)
		s.closePipes()
		started <- err
		if err != nil {
			return
		}
		var copies sync.WaitGroup
		crash := crashWatch{}
		copies.Go(func() { l.copyLines("", stdout, l.Stdout, nil) })
		copies.Go(func() { l.copyLines(fmt.Sprintf("rank %d | ", s.rank), stderr, l.Stderr, &crash) })
		copies.Wait()
		s.err, s.crash = s.cmd.Wait(), crash.first
		s.outOfMemory = sysinfo.OutOfMemoryKills() > l.kills
		l.ended <- s
	}()
	return <-started
}

// startBound starts the process on its cores and with late timers, which it takes over from the calling thread.
func (l *launcher) startBound(s *slot) error {
	if !l.ExactTimers {
		_ = sysinfo.DelayTimers(timerSlack) // where the system does not allow it, ranks are slower
	}
	if l.Cores != nil {
		if err := sysinfo.BindThread(l.Cores[s.rank]); err != nil {
			return err
		}
	}
	return s.cmd.Start()
}
