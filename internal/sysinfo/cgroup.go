package sysinfo

import (
	"bufio"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
)

// system is where the fields of a Linux are read; its root is "/" but in tests.
type system struct{ root string }

var here = system{"/"}

// Cores is how many cores' time this process gets: those on which it may run, fewer where its control group, such as a container's,
// has a quota (rounded up, at least 1).
func Cores() int { return here.cores(runtime.NumCPU()) }

// AvailableMemory is how many bytes this process can take beside what runs already, as Linux estimates it, within the limits of its
// control group; 0 where it is not known.
func AvailableMemory() int64 { return here.availableMemory() }

// MemoryLimit is how many bytes the control group of this process may have; 0 where there is no limit.
func MemoryLimit() int64 { return here.memoryLimit() }

// SpareTasks is how many more processes and threads the control group of this process may have, and of how many; known is false
// where nobody limits them.
func SpareTasks() (spare, limit int64, known bool) { return here.spareTasks() }

// OutOfMemoryKills is how many processes the system has killed so far because their control group, which is this process's, or the
// machine had no memory left. It only ever grows.
func OutOfMemoryKills() int64 { return here.outOfMemoryKills() }

// group is a folder of a control group, and what the files in it are called.
type group struct {
	dir     string
	unified bool // of version 2
}

func (g group) file(v2, v1 string) string {
	if g.unified {
		return filepath.Join(g.dir, v2)
	}
	return filepath.Join(g.dir, v1)
}

// groups are the control groups of this process for a controller, its own first, then those around it as far as they can be seen.
func (s system) groups(controller string) (all []group) {
	for _, m := range s.mounts(controller) {
		dir, ok := s.member(controller, m.unified)
		if !ok {
			continue
		}
		below, inside := strings.CutPrefix(dir, strings.TrimSuffix(m.root, "/"))
		if !inside || strings.HasPrefix(below, "/..") {
			below = "" // the mount shows this group and what is in it
		}
		for ; ; below = filepath.Dir(below) {
			all = append(all, group{filepath.Join(s.root, m.point, below), m.unified})
			if below = strings.TrimSuffix(below, "/"); below == "" || below == "." {
				break
			}
		}
	}
	return all
}

// mount is where control groups are shown: those in and below root.
type mount struct {
	point, root string
	unified     bool
}

// mounts are the places that show a controller's groups.
func (s system) mounts(controller string) (all []mount) {
	s.lines("proc/self/mountinfo", func(line string) {
		before, after, found := strings.Cut(line, " - ")
		place, kind := strings.Fields(before), strings.Fields(after)
		if !found || len(place) < 5 || len(kind) < 3 {
			return
		}
		switch kind[0] {
		case "cgroup2":
			all = append(all, mount{place[4], place[3], true})
		case "cgroup":
			for option := range strings.SplitSeq(kind[2], ",") {
				if option == controller {
					all = append(all, mount{place[4], place[3], false})
				}
			}
		}
	})
	return all
}

// member is the path of this process's group.
func (s system) member(controller string, unified bool) (path string, known bool) {
	s.lines("proc/self/cgroup", func(line string) {
		f := strings.SplitN(line, ":", 3)
		if len(f) != 3 {
			return
		}
		if unified && f[0] == "0" && f[1] == "" {
			path, known = f[2], true
		}
		for name := range strings.SplitSeq(f[1], ",") {
			if !unified && name == controller {
				path, known = f[2], true
			}
		}
	})
	return path, known
}

func (s system) cores(allowed int) int {
	cores := float64(allowed)
	for _, g := range s.groups("cpu") {
		var quota, period int64 = -1, -1
		if g.unified {
			q, p, _ := strings.Cut(content(g.file("cpu.max", "")), " ")
			quota, period = number(q), number(p)
		} else {
			quota, period = number(content(g.file("", "cpu.cfs_quota_us"))), number(content(g.file("", "cpu.cfs_period_us")))
		}
		if quota > 0 && period > 0 {
			cores = min(cores, float64(quota)/float64(period))
		}
	}
	return max(1, int(math.Ceil(cores)))
}

func (s system) memoryLimit() int64 {
	limit := int64(0)
	for _, g := range s.groups("memory") {
		if l := number(content(g.file("memory.max", "memory.limit_in_bytes"))); limited(l) && (limit == 0 || l < limit) {
			limit = l
		}
	}
	return limit
}

// limited says whether a limit is one: version 1 calls none a number near the largest.
func limited(limit int64) bool { return limit > 0 && limit < 1<<60 }

func (s system) availableMemory() int64 {
	available, _ := Bytes(filepath.Join(s.root, "proc/meminfo"), "MemAvailable:")
	for _, g := range s.groups("memory") {
		limit := number(content(g.file("memory.max", "memory.limit_in_bytes")))
		used := number(content(g.file("memory.current", "memory.usage_in_bytes")))
		if !limited(limit) || used < 0 {
			continue
		}
		// Files in memory make room for what needs it.
		stat := g.file("memory.stat", "memory.stat")
		cached := max(0, field(stat, "inactive_file")) + max(0, field(stat, "active_file"))
		if free := max(1, limit-max(0, used-cached)); available == 0 || free < available {
			available = free
		}
	}
	return available
}

func (s system) spareTasks() (spare, limit int64, known bool) {
	for _, g := range s.groups("pids") {
		most, current := number(content(g.file("pids.max", "pids.max"))), number(content(g.file("pids.current", "pids.current")))
		if most < 0 || current < 0 {
			continue
		}
		if left := max(0, most-current); !known || left < spare {
			spare, limit, known = left, most, true
		}
	}
	return spare, limit, known
}

func (s system) outOfMemoryKills() int64 {
	kills := max(0, field(filepath.Join(s.root, "proc/vmstat"), "oom_kill"))
	for _, g := range s.groups("memory") {
		kills += max(0, field(g.file("memory.events", "memory.oom_control"), "oom_kill"))
	}
	return kills
}

// lines calls use for each line of a file; for none where it cannot be read.
func (s system) lines(file string, use func(line string)) { eachLine(filepath.Join(s.root, file), use) }

func eachLine(path string, use func(line string)) {
	f, err := os.Open(path)
	if err != nil {
		return
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		use(lines.Text())
	}
}

// field is the number behind a name at the beginning of a line; -1 where there is none.
func field(path, name string) int64 {
	value := int64(-1)
	eachLine(path, func(line string) {
		if key, v, _ := strings.Cut(line, " "); key == name {
			value = number(v)
		}
	})
	return value
}

// content is what a small file says; empty where it cannot be read.
func content(path string) string {
	b, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}

// number is what a text says; -1 where it is none, such as "max".
func number(text string) int64 {
	n, err := strconv.ParseInt(strings.TrimSpace(text), 10, 64)
	if err != nil {
		return -1
	}
	return n
}
