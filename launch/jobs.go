package launch

import (
	"os"
	"os/signal"
	"syscall"
)

// followJobControl has the ranks stop and go on with this process until the function that it returns is called: they are in process
// groups of their own, which a terminal's ctrl-Z does not reach. Ranks that ran on would be alone with what they print, and those that
// wait for one that is stopped would give it up.
func (l *launcher) followJobControl() (end func()) {
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, syscall.SIGTSTP, syscall.SIGCONT)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for s := range signals {
			if s == syscall.SIGCONT {
				l.signal(syscall.SIGCONT)
				continue
			}
			l.signal(syscall.SIGSTOP)
			// Until somebody sends SIGCONT, as a shell's fg does. The call may return before the process stops.
			syscall.Kill(os.Getpid(), syscall.SIGSTOP)
		}
	}()
	return func() {
		signal.Stop(signals)
		close(signals)
		<-done
	}
}
