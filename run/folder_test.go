package run

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ringloom/cluster"
)

func TestFolderNames(t *testing.T) {
	for name, want := range map[string]bool{
		"20261201-lenet-n2": true, "run": true, ".hidden": true, "über": true, "": false, ".": false, "..": false, "a/b": false, "/etc": false,
		`a\b`: false, "../x": false, "a\nb": false, "\x1b[2J": false, "a\x00": false, "\xff": false, strings.Repeat("x", 256): false,
	} {
		if got := folderName(name); got != want {
			t.Errorf("%q: %v", name, got)
		}
	}
}

// Whatever a leader says, a rank writes below what its own user has named, or below runs in its working directory.
func TestAFollowersFolderIsItsOwn(t *testing.T) {
	t.Chdir(t.TempDir())
	resumed := &Resumption{hash: "a file", dir: "old"}
	for _, c := range []struct {
		says   string
		runDir string
		resume *Resumption
		want   string
	}{
		{`{"name":"x"}`, "", nil, "runs/x"},
		{`{"name":"x","goes_on":true}`, "", nil, "runs/x"},
		{`{"name":"x"}`, "mine", nil, "mine"},
		{`{"name":"x","goes_on":true}`, "", resumed, "old"},
		{`{"name":"x","goes_on":true}`, "mine", resumed, "mine"},
		{`{"name":"x"}`, "", resumed, "runs/x"},
		{`{"name":"../x"}`, "", nil, ""},
		{`{"name":"/tmp/x"}`, "mine", nil, ""},
		{`/tmp/x`, "", nil, ""},
		{``, "", nil, ""},
	} {
		n := &node{Session: &Session{View: cluster.View{Rank: 1}}}
		n.RunDir, n.Resume = c.runDir, c.resume
		r := &record{n: n}
		root, err := r.follow([]byte(c.says))
		if (err == nil) != (c.want != "") || err == nil && r.path != c.want {
			t.Errorf("%s: %q, %v, want %q", c.says, r.path, err, c.want)
		}
		if err == nil {
			if info, err := os.Lstat(c.want); err != nil || !info.IsDir() {
				t.Errorf("%s: %v", c.says, err)
			}
			root.Close()
		}
	}
}

// Links in the way are not followed; runs itself may be one of this user's own.
func TestARunsFolderIsNoLink(t *testing.T) {
	t.Chdir(t.TempDir())
	elsewhere := t.TempDir()
	if err := os.Symlink(elsewhere, "runs"); err != nil {
		t.Fatal(err)
	}
	root, err := openRun("x")
	if err != nil {
		t.Fatal(err)
	}
	root.Close()
	for name, target := range map[string]string{"out": t.TempDir(), "in": "x"} {
		if err := os.Symlink(target, filepath.Join(elsewhere, name)); err != nil {
			t.Fatal(err)
		}
		if root, err := openRun(name); err == nil {
			t.Errorf("%s is opened as %s", name, root.Name())
		}
	}
	if os.Getuid() != 0 {
		t.Skip("SKIPPED, a link of another user's was NOT tested: only root can make one")
	}
	if err := os.Lchown("runs", 65534, 65534); err != nil {
		t.Fatal(err)
	}
	if _, err := openRun("x"); err == nil || !strings.Contains(err.Error(), "another user's") {
		t.Errorf("a link of another user's: %v", err)
	}
	c := testConfig(t, 1)
	c.RunDir = ""
	if err := c.Validate(); err == nil || !strings.Contains(err.Error(), "another user's") {
		t.Errorf("a link of another user's: %v", err)
	}
}

// A leader names a directory in which the other rank's log is a link to a file of that rank's user.
func TestALeaderNamesNoPath(t *testing.T) {
	t.Chdir(t.TempDir())
	trap := t.TempDir()
	victim := filepath.Join(t.TempDir(), "profile")
	if err := os.WriteFile(victim, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(victim, filepath.Join(trap, "rank-1.log")); err != nil {
		t.Fatal(err)
	}
	leader := testConfig(t, 2)
	leader.Train.MaxSteps = 1
	other := leader
	leader.RunDir, other.RunDir = trap, ""
	ranks := startJob(t, leader, other)
	want := filepath.Join("runs", filepath.Base(trap))
	for rank, r := range ranks {
		r.wait(t)
		if r.err != nil {
			t.Fatalf("rank %d: %v", rank, r.err)
		}
	}
	if got := ranks[1].result.RunDir; got != want {
		t.Errorf("rank 1 writes to %s, want %s", got, want)
	}
	if _, err := os.Stat(filepath.Join(want, "rank-1.log")); err != nil {
		t.Error(err)
	}
	if content, err := os.ReadFile(victim); err != nil || string(content) != "mine" {
		t.Errorf("the victim's file holds %q, %v", content, err)
	}
	// The link in a folder that the rank's own user names.
	trap = t.TempDir()
	if err := os.Symlink(victim, filepath.Join(trap, "rank-1.log")); err != nil {
		t.Fatal(err)
	}
	leader.RunDir, other.RunDir = filepath.Join(t.TempDir(), "run"), trap
	ranks = startJob(t, leader, other)
	for _, r := range ranks {
		r.wait(t)
	}
	if err := ranks[1].err; err == nil || !strings.Contains(err.Error(), "rank-1.log is a link, which is not followed") {
		t.Errorf("%v", err)
	}
	if content, err := os.ReadFile(victim); err != nil || string(content) != "mine" {
		t.Errorf("the victim's file holds %q, %v", content, err)
	}
}
