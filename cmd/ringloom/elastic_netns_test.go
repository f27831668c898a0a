package main

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// network is four hosts, 10.79.0.1 to 10.79.0.4, on a switch that can be divided.
type network struct {
	*machines
	hub   string // the namespace of the switch
	hosts [4]string
}

func fourMachines(t *testing.T) *network {
	t.Helper()
	needData(t)
	n := &network{machines: twoMachines(t), hub: fmt.Sprintf("ringloom-test-%d-hub", os.Getpid())}
	add := func(name string) {
		n.ip("netns", "add", name)
		t.Cleanup(func() { _ = exec.Command("ip", "netns", "delete", name).Run() })
	}
	add(n.hub)
	for _, bridge := range []string{"one", "other"} {
		if out, err := exec.Command("ip", "-n", n.hub, "link", "add", bridge, "type", "bridge").CombinedOutput(); err != nil {
			t.Skipf("SKIPPED, this machine makes no bridges: %s", out)
		}
		n.ip("-n", n.hub, "link", "set", bridge, "up")
	}
	for i := range n.hosts {
		n.hosts[i] = fmt.Sprintf("ringloom-test-%d-host-%d", os.Getpid(), i)
		add(n.hosts[i])
		port := fmt.Sprintf("port%d", i)
		n.ip("-n", n.hosts[i], "link", "add", "eth0", "type", "veth", "peer", "name", port, "netns", n.hub)
		n.ip("-n", n.hosts[i], "address", "add", fmt.Sprintf("10.79.0.%d/24", i+1), "dev", "eth0")
		n.ip("-n", n.hosts[i], "link", "set", "lo", "up")
		n.ip("-n", n.hosts[i], "link", "set", "eth0", "up")
		n.ip("-n", n.hub, "link", "set", port, "master", "one")
		n.ip("-n", n.hub, "link", "set", port, "up")
	}
	return n
}

// divide puts hosts behind another switch; without any, all are behind one again.
func (n *network) divide(hosts ...int) {
	n.t.Helper()
	for i := range n.hosts {
		bridge := "one"
		for _, h := range hosts {
			if h == i {
				bridge = "other"
			}
		}
		n.ip("-n", n.hub, "link", "set", fmt.Sprintf("port%d", i), "master", bridge)
	}
}

// deaf drops all that comes to a host from the others, which hear it, or refuses it: how is blackhole or prohibit.
func (n *network) deaf(i int, how string) {
	n.t.Helper()
	n.ip("-n", n.hosts[i], "rule", "add", "preference", "1", "iif", "eth0", how)
	n.ip("-n", n.hosts[i], "rule", "add", "preference", "5", "lookup", "local")
	n.ip("-n", n.hosts[i], "rule", "delete", "preference", "0", "lookup", "local")
}

// hears ends that.
func (n *network) hears(i int) {
	n.t.Helper()
	n.ip("-n", n.hosts[i], "rule", "delete", "preference", "1")
}

// job starts a rank of an elastic job on each host, and waits until they train. wait is how long they wait where they are too few.
func (n *network) job(wait string) []*process {
	n.t.Helper()
	var ranks []*process
	for i, host := range n.hosts {
		args := []string{"train", "--expect", "4", "--elastic", "--elastic-wait", wait, "--bind", fmt.Sprintf("10.79.0.%d:7946", i+1), "--name", fmt.Sprintf("host-%d", i),
			"--epochs", "1000", "--threads", "1", "--log", "json", "--debug"}
		if i > 0 {
			args = append(args, "--join", "10.79.0.1:7946")
		}
		p := startBy(n.t, []string{"ip", "netns", "exec", host}, n.t.TempDir(), args...)
		p.waitFor(`"address":"10.79.0.`)
		ranks = append(ranks, p)
	}
	for _, p := range ranks {
		p.waitFor(`"msg":"training"`)
	}
	return ranks
}

const wentOn = `; %d ranks go on, 0 samples lost`

// recovered waits until the hosts go on in a view of so many ranks.
func recovered(ranks int, hosts ...*process) {
	for _, p := range hosts {
		p.waitFor(fmt.Sprintf(wentOn, ranks))
	}
}

func wantNoView(t *testing.T, hosts ...*process) {
	t.Helper()
	for _, p := range hosts {
		if text, _ := p.text(); strings.Contains(text, "the run goes on in the next view") {
			t.Errorf("a side without a quorum went on:\n%s", text)
		}
	}
}

// Two of four ranks are cut off: the two with rank 0 go on, and the others end, each saying why.
func TestTwoSidesOfTwo(t *testing.T) {
	n := fourMachines(t)
	hosts := n.job("6s")
	n.divide(2, 3)
	recovered(2, hosts[0], hosts[1])
	for _, p := range hosts[2:] {
		p.wantExit(exitPeer, "of 4 ranks are here", "too few to be sure that the others do not go on by themselves")
	}
	wantNoView(t, hosts[2:]...)
}

// The leader is cut off alone: the other three go on without it, and when the network heals it comes back, as one that joins.
func TestOneSideOfThree(t *testing.T) {
	n := fourMachines(t)
	hosts := n.job("60s")
	n.divide(0)
	recovered(3, hosts[1:]...)
	wantNoView(t, hosts[0])
	n.divide()
	hosts[0].waitFor("the others have gone on without this rank, which comes back as one that joins")
	recovered(4, hosts...)
}

// A rank that hears nobody, and is heard, is left out; when it hears again it comes back. Whether a firewall drops or refuses what comes is
// no proof of a death, and makes no difference.
func TestADeafRankIsLeftOut(t *testing.T) {
	for _, how := range []string{"blackhole", "prohibit"} {
		t.Run(how, func(t *testing.T) {
			n := fourMachines(t)
			hosts := n.job("60s")
			n.deaf(2, how)
			recovered(3, hosts[0], hosts[1], hosts[3])
			wantNoView(t, hosts[2])
			n.hears(2)
			hosts[2].waitFor("the others have gone on without this rank, which comes back as one that joins")
			recovered(4, hosts...)
		})
	}
}
