package sysinfo

import (
	"os"
	"path/filepath"
	"testing"
)

// fake is a system with the given files.
func fake(t *testing.T, files map[string]string) system {
	t.Helper()
	s := system{t.TempDir()}
	for name, content := range files {
		path := filepath.Join(s.root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

const (
	unified = "30 20 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate"
	divided = "31 20 0:28 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n" +
		"32 20 0:29 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n33 20 0:30 / /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids"
	// A container of version 1 sees its own group at the mount's root.
	bound = "31 20 0:28 /docker/abc /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n32 20 0:29 /docker/abc /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory"
)

func TestLimitsOfControlGroups(t *testing.T) {
	meminfo := "MemTotal: 99999999 kB\nMemAvailable:   10485760 kB"
	for name, c := range map[string]struct {
		files     map[string]string
		cores     int // of 8
		limit     int64
		available int64
		spare     int64 // -1: not limited
		kills     int64
	}{
		"no Linux": {map[string]string{}, 8, 0, 0, -1, 0},
		"no limit, version 2": {map[string]string{
			"proc/self/cgroup": "0::/user.slice", "proc/self/mountinfo": unified, "proc/meminfo": meminfo,
			"sys/fs/cgroup/user.slice/cpu.max": "max 100000", "sys/fs/cgroup/user.slice/memory.max": "max", "sys/fs/cgroup/user.slice/memory.current": "5",
			"sys/fs/cgroup/user.slice/pids.max": "max", "sys/fs/cgroup/user.slice/pids.current": "5",
		}, 8, 0, 10 << 30, -1, 0},
		"version 2, the tightest of the groups around": {map[string]string{
			"proc/self/cgroup": "0::/pod/app", "proc/self/mountinfo": unified, "proc/meminfo": meminfo, "proc/vmstat": "oom_kill 1",
			"sys/fs/cgroup/pod/app/cpu.max": "max 100000", "sys/fs/cgroup/pod/cpu.max": "150000 100000",
			"sys/fs/cgroup/pod/app/memory.max": "1000000", "sys/fs/cgroup/pod/app/memory.current": "900000",
			"sys/fs/cgroup/pod/app/memory.stat":   "anon 5\ninactive_file 100000\nactive_file 50000",
			"sys/fs/cgroup/pod/memory.max":        "2000000",
			"sys/fs/cgroup/pod/memory.current":    "1900000",
			"sys/fs/cgroup/pod/app/pids.max":      "25",
			"sys/fs/cgroup/pod/app/pids.current":  "20",
			"sys/fs/cgroup/pod/app/memory.events": "oom 3\noom_kill 2",
		}, 2, 1000000, 100000, 5, 3},
		"version 2, from the inside": {map[string]string{
			"proc/self/cgroup": "0::/", "proc/self/mountinfo": unified, "proc/meminfo": meminfo,
			"sys/fs/cgroup/cpu.max": "50000 100000", "sys/fs/cgroup/memory.max": "4096", "sys/fs/cgroup/memory.current": "8192",
		}, 1, 4096, 1, -1, 0},
		"version 1": {map[string]string{
			"proc/self/cgroup": "4:cpu,cpuacct:/a\n3:memory:/a/b\n2:pids:/a\n0::/ignored", "proc/self/mountinfo": divided, "proc/meminfo": meminfo,
			"sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_quota_us": "300000", "sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_period_us": "100000",
			"sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "-1", "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000",
			"sys/fs/cgroup/memory/a/b/memory.limit_in_bytes": "9223372036854771712", "sys/fs/cgroup/memory/a/b/memory.usage_in_bytes": "1000",
			"sys/fs/cgroup/memory/a/memory.limit_in_bytes": "4000", "sys/fs/cgroup/memory/a/memory.usage_in_bytes": "1500",
			"sys/fs/cgroup/memory/a/b/memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 7",
			"sys/fs/cgroup/pids/a/pids.max":               "100", "sys/fs/cgroup/pids/a/pids.current": "120",
		}, 3, 4000, 2500, 0, 7},
		"version 1, bound into a container": {map[string]string{
			"proc/self/cgroup": "4:cpu:/docker/abc\n3:memory:/docker/abc", "proc/self/mountinfo": bound, "proc/meminfo": meminfo,
			"sys/fs/cgroup/cpu/cpu.cfs_quota_us": "100000", "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000",
			"sys/fs/cgroup/memory/memory.limit_in_bytes": "70000", "sys/fs/cgroup/memory/memory.usage_in_bytes": "30000",
		}, 1, 70000, 40000, -1, 0},
	} {
		s := fake(t, c.files)
		if got := s.cores(8); got != c.cores {
			t.Errorf("%s: %d cores, want %d", name, got, c.cores)
		}
		if got := s.memoryLimit(); got != c.limit {
			t.Errorf("%s: limit of %d bytes, want %d", name, got, c.limit)
		}
		if got := s.availableMemory(); got != c.available {
			t.Errorf("%s: %d bytes available, want %d", name, got, c.available)
		}
		spare, _, known := s.spareTasks()
		if known != (c.spare >= 0) || known && spare != c.spare {
			t.Errorf("%s: %d tasks to spare (%v), want %d", name, spare, known, c.spare)
		}
		if got := s.outOfMemoryKills(); got != c.kills {
			t.Errorf("%s: %d kills, want %d", name, got, c.kills)
		}
	}
}

func TestThisSystem(t *testing.T) {
	if n := Cores(); n < 1 {
		t.Errorf("%d cores", n)
	}
	if AvailableMemory() < 0 || MemoryLimit() < 0 || OutOfMemoryKills() < 0 {
		t.Error("a negative number")
	}
}
