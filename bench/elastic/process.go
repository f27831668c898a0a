package elastic

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"
)

// process is a rank that was started. What it says and its end come through the fleet's channel.
type process struct {
	name string
	cmd  *exec.Cmd
	log  string // file of its standard error
	born int64  // nanoseconds

	// What it has said.
	address string
	seat    Message // the last Seated or Recovered
	first   int64   // when it has committed its first step since it was born, or back; 0: not yet
	pace    pace
	changes []survivorChange
	ended   bool
	end     error
	dies    bool // its end is expected
}

// survivorChange is a Recovered, and what its step would have taken.
type survivorChange struct {
	Message
	usual int64
}

// news is what a process says, or that it has ended.
type news struct {
	of    *process
	says  Message
	ended bool
	err   error
}

// fleet starts processes and ends them.
type fleet struct {
	Config
	news chan news
	all  []*process
	done sync.WaitGroup
	quit chan struct{} // closed when nobody reads news any more
}

func newFleet(c Config) *fleet {
	return &fleet{Config: c, news: make(chan news), quit: make(chan struct{})}
}

// start starts a rank.
func (f *fleet) start(expect int, join string) (*process, error) {
	p := &process{name: fmt.Sprintf("p%d", len(f.all)+1), born: time.Now().UnixNano()}
	if f.Rank.Elastic {
		p.pace.ranks = f.Ranks
	}
	c := f.Rank
	c.Name, c.Expect, c.Join = p.name, expect, join
	in, err := json.Marshal(c)
	if err != nil {
		return nil, err
	}
	p.log = filepath.Join(f.Dir, p.name+".log")
	stderr, err := os.Create(p.log)
	if err != nil {
		return nil, err
	}
	defer stderr.Close()
	p.cmd = exec.Command(f.Command[0], f.Command[1:]...)
	p.cmd.Dir, p.cmd.Env, p.cmd.Stdin, p.cmd.Stderr = f.Dir, f.Env, bytes.NewReader(in), stderr
	p.cmd.SysProcAttr = &syscall.SysProcAttr{
		Setpgid:   true,            // a terminal's ctrl-C reaches this process alone
		Pdeathsig: syscall.SIGKILL, // which ends one that is stopped too
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	started := make(chan error, 1)
	f.done.Go(func() {
		runtime.LockOSThread() // Pdeathsig fires when the thread that forked ends
		err := p.cmd.Start()
		started <- err
		if err == nil {
			f.follow(p, out)
		}
	})
	if err := <-started; err != nil {
		return nil, err
	}
	f.all = append(f.all, p)
	return p, nil
}

// follow passes on what a process says, and its end.
func (f *fleet) follow(p *process, out io.Reader) {
	lines := bufio.NewScanner(out)
	var broken error
	for lines.Scan() {
		var m Message
		if err := json.Unmarshal(lines.Bytes(), &m); err != nil {
			broken = fmt.Errorf("%s said %q: %w", p.name, lines.Text(), err)
			continue
		}
		f.tell(news{of: p, says: m})
	}
	broken = errors.Join(broken, lines.Err())
	f.tell(news{of: p, ended: true, err: errors.Join(broken, p.cmd.Wait())})
}

func (f *fleet) tell(n news) {
	select {
	case f.news <- n:
	case <-f.quit:
	}
}

// close kills what still runs, and returns when all is over.
func (f *fleet) close() {
	close(f.quit)
	for _, p := range f.all {
		_ = p.cmd.Process.Kill() // one that has ended is not there to be killed
	}
	f.done.Wait()
}

// lastLine is what a process has said last in its log.
func (p *process) lastLine() string {
	content, err := os.ReadFile(p.log)
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(string(content)), "\n")
	return lines[len(lines)-1]
}

// code is the exit code of one that has ended, -1 where a signal has ended it.
func (p *process) code() int { return p.cmd.ProcessState.ExitCode() }
