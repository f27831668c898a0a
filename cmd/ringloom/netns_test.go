package main

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
)

// machines are two hosts in network namespaces of this one, 10.78.0.1 and 10.78.0.2 on one cable.
type machines struct {
	t     *testing.T
	names [2]string
}

func twoMachines(t *testing.T) *machines {
	t.Helper()
	if os.Getenv("RINGLOOM_TEST_LONG") == "" {
		t.Skip("SKIPPED, what nodes say in network namespaces takes a minute: make test-long runs it (RINGLOOM_TEST_LONG=1)")
	}
	return makeMachines(t)
}

// makeMachines is twoMachines in every run of the tests. It skips the test where this machine has no network namespaces for it.
func makeMachines(t *testing.T) *machines {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("SKIPPED, network namespaces are Linux's: nothing here shows what nodes say that cannot reach each other")
	}
	if os.Geteuid() != 0 {
		t.Skip("SKIPPED, network namespaces need root: nothing here shows what nodes say that cannot reach each other")
	}
	if _, err := exec.LookPath("ip"); err != nil {
		t.Skip("SKIPPED, network namespaces need iproute2: ", err)
	}
	m := &machines{t: t}
	for i := range m.names {
		m.names[i] = fmt.Sprintf("ringloom-test-%d-%d", os.Getpid(), i)
		if out, err := exec.Command("ip", "netns", "add", m.names[i]).CombinedOutput(); err != nil {
			t.Skipf("SKIPPED, this machine makes no network namespaces: %s", out)
		}
		t.Cleanup(func() { _ = exec.Command("ip", "netns", "delete", m.names[i]).Run() })
	}
	m.ip("-n", m.names[0], "link", "add", "eth0", "type", "veth", "peer", "name", "eth0", "netns", m.names[1])
	for i, name := range m.names {
		m.ip("-n", name, "address", "add", fmt.Sprintf("10.78.0.%d/24", i+1), "dev", "eth0")
		m.ip("-n", name, "link", "set", "lo", "up")
		m.ip("-n", name, "link", "set", "eth0", "up")
	}
	t.Setenv("RINGLOOM_KEY", "a key of the job's two machines")
	t.Setenv("RINGLOOM_NATS_TOKEN", "a token of the job's two machines")
	return m
}

func (m *machines) ip(args ...string) {
	m.t.Helper()
	if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
		m.t.Fatalf("ip %s: %s", strings.Join(args, " "), out)
	}
}

// block drops what comes for a port of a machine, as a firewall does.
func (m *machines) block(i int, protocol, port string) {
	m.t.Helper()
	name := m.names[i]
	m.ip("-n", name, "rule", "add", "preference", "1", "iif", "eth0", "ipproto", protocol, "dport", port, "blackhole")
	if out, _ := exec.Command("ip", "-n", name, "rule").Output(); strings.Contains(string(out), "0:\tfrom all lookup local") {
		m.ip("-n", name, "rule", "add", "preference", "5", "lookup", "local")
		m.ip("-n", name, "rule", "delete", "preference", "0", "lookup", "local")
	}
}

// bench starts a node that needs the other, but no data set.
func (m *machines) bench(i int, args ...string) *process {
	m.t.Helper()
	args = append([]string{"bench", "allreduce", "--expect", "2", "--max-bytes", "1024", "--log", "json"}, args...)
	return startBy(m.t, []string{"ip", "netns", "exec", m.names[i]}, m.t.TempDir(), args...)
}

// A node of one machine that is reached from there alone is refused at once when it is to join another.
func TestLoopbackBesideARemoteNode(t *testing.T) {
	m := twoMachines(t)
	first := m.bench(0, "--bind", "10.78.0.1:7946", "--name", "first")
	first.waitFor(`"address":"10.78.0.1:7946"`)
	forgotten := m.bench(1, "--join", "10.78.0.1:7946")
	forgotten.wantExit(exitCluster, "no other machine reaches this node at 127.0.0.1:", "it is to join 10.78.0.1:7946", "--bind")
	second := m.bench(1, "--bind", "10.78.0.2:7946", "--join", "10.78.0.1:7946")
	second.wantExit(0, "")
	first.wantExit(0, "")
}

// So is one whose name stands for a loopback address, as soon as a node of another machine is there; that one's message
// names it, and the address that it tells.
func TestLoopbackAdvertised(t *testing.T) {
	m := twoMachines(t)
	first := m.bench(0, "--bind", "0.0.0.0:7946", "--advertise", "127.0.1.1", "--name", "first")
	first.waitFor(`"address":"127.0.1.1:7946"`)
	second := m.bench(1, "--bind", "0.0.0.0:7946", "--advertise", "10.78.0.2", "--name", "second", "--join", "10.78.0.1:7946", "--join-timeout", "8s")
	first.wantExit(exitCluster, "no other machine reaches this node at 127.0.1.1:7946", "node second is at 10.78.0.2:7946", "--advertise")
	second.wantExit(exitCluster, "10.78.0.1:7946")
}

// A node behind a NAT tells an address that the other machine does not reach.
func TestUnreachableAddress(t *testing.T) {
	m := twoMachines(t)
	first := m.bench(0, "--bind", "0.0.0.0:7946", "--advertise", "10.78.0.9", "--name", "first", "--join-timeout", "12s")
	first.waitFor(`"address":"10.78.0.9:7946"`)
	second := m.bench(1, "--bind", "10.78.0.2:7946", "--name", "second", "--join", "10.78.0.1:7946", "--join-timeout", "10s")
	second.wantExit(exitCluster, "this node (10.78.0.2:7946) cannot reach first at 10.78.0.9:7946, the address that it tells")
	first.wantExit(exitCluster, "second")
}

// A firewall passes the gossip port of the first machine, but not that of the second.
func TestGossipInOneDirection(t *testing.T) {
	m := twoMachines(t)
	m.block(1, "tcp", "7946")
	m.block(1, "udp", "7946")
	first := m.bench(0, "--bind", "10.78.0.1:7946", "--name", "first", "--join-timeout", "14s")
	first.waitFor(`"address":"10.78.0.1:7946"`)
	second := m.bench(1, "--bind", "10.78.0.2:7946", "--name", "second", "--join", "10.78.0.1:7946", "--join-timeout", "12s")
	second.wantExit(exitCluster, "")
	first.wantExit(exitCluster, "this node (10.78.0.1:7946) cannot reach second at 10.78.0.2:7946, the address that it tells", "no answer")
}

// A firewall passes the gossip ports alone: both say soon what they wait for, and end as a cluster that did not form.
func TestRingPortIsBlocked(t *testing.T) {
	m := twoMachines(t)
	m.block(0, "tcp", "4222")
	first := m.bench(0, "--bind", "10.78.0.1:7946", "--nats-bind", "10.78.0.1:4222", "--name", "first")
	first.waitFor(`"address":"10.78.0.1:7946"`)
	second := m.bench(1, "--bind", "10.78.0.2:7946", "--name", "second", "--join", "10.78.0.1:7946")
	blocked := "the NATS port of rank 0 \\(first\\), 10.78.0.1:4222, cannot be reached from here \\(no answer\\)"
	second.waitFor("the ring is not there yet: " + blocked)
	first.waitFor("the ring is not there yet: rank 1 \\(second\\) answers at 10.78.0.2:")
	second.wantExit(exitCluster, strings.ReplaceAll(blocked, "\\", ""), "--nats-bind")
	first.wantExit(exitCluster, "rank 1 (second", strings.ReplaceAll(blocked, "\\", ""))
}
