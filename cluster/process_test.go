package cluster

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// startVictim starts another process as rank 1 of a job whose rank 0 is here.
func startVictim(t *testing.T) (*Node, View, *os.Process, *bufio.Reader) {
	t.Helper()
	first := start(t, testConfig(t, 0, 2))
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childEnv+"="+first.Self().Addr)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	view, err := first.WaitView(within(t))
	if err != nil {
		t.Fatal(err)
	}
	says := bufio.NewReader(out)
	if line, err := says.ReadString('\n'); err != nil || line != "view\n" {
		t.Fatalf("the child says %q, %v", line, err)
	}
	if view.Members[1].PID != cmd.Process.Pid {
		t.Errorf("process %d, want %d", view.Members[1].PID, cmd.Process.Pid)
	}
	return first, view, cmd.Process, says
}

// With Suspect, as a ring calls it, while gossip has noticed nothing: a killed process is known at once.
func TestKilledProcess(t *testing.T) {
	n, view, victim, _ := startVictim(t)
	if err := victim.Kill(); err != nil { // SIGKILL
		t.Fatal(err)
	}
	began := time.Now()
	n.Suspect(1)
	checkLost(t, waitEnd(t, view), view.Members[1], 1)
	t.Logf("known after %v", time.Since(began))
	n.Abort(view.Cause())
	root := n.RootCause(within(t))
	checkLost(t, root, view.Members[1], 1)
	if !strings.HasSuffix(root.Error(), "(killed or crashed)") {
		t.Errorf("root cause %v", root)
	}
}

// A process that hangs still has its port, so that only its silence tells. When it goes on, it says that it was stopped,
// and blames nobody else.
func TestStoppedProcess(t *testing.T) {
	n, view, victim, says := startVictim(t)
	if err := victim.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	n.Suspect(1)
	cause := waitEnd(t, view)
	checkLost(t, cause, view.Members[1], 1)
	t.Logf("known after %v", time.Since(began))
	var lost *MemberLost
	if !errors.As(cause, &lost) || lost.Evidence != Silent || !strings.HasSuffix(cause.Error(), "(killed, crashed, hung or cut off)") {
		t.Errorf("cause %v", cause)
	}
	if err := victim.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	line, err := says.ReadString('\n')
	if want := "rank 1 (" + view.Members[1].String() + ") failed: this process was stopped for "; err != nil || !strings.HasPrefix(line, want) {
		t.Errorf("it says %q, %v, want %q", line, err, want)
	}
}

const childEnv = "RINGLOOM_CLUSTER_TEST_CHILD"

// TestMain is the victim of startVictim as well, a node that waits for its end, and elasticChild.
func TestMain(m *testing.M) {
	if arg := os.Getenv(elasticChildEnv); arg != "" {
		fmt.Fprintln(os.Stderr, elasticChild(arg))
		os.Exit(1)
	}
	addr := os.Getenv(childEnv)
	if addr == "" {
		os.Exit(m.Run())
	}
	cfg := Default()
	cfg.Job, cfg.Name, cfg.WorldSize, cfg.Join = "test", "victim", 2, []string{addr}
	cfg.Digest = Digest{{"model", "lenet"}, {"seed", "1"}}
	n, err := Start(context.Background(), cfg)
	var view View
	if err == nil {
		view, err = n.WaitView(context.Background())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println("view")
	<-view.Done()
	n.Abort(view.Cause())
	fmt.Println(n.RootCause(context.Background()))
}
