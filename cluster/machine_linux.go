package cluster

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"os"
	"strconv"
	"sync"
	"syscall"
)

// machine names this machine since it was started, and the namespace of this process's number; empty if unknown. Where
// two processes have the same, either can ask the system about the other by its number.
var machine = sync.OnceValue(func() string {
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	space, err2 := os.Readlink("/proc/self/ns/pid")
	if err != nil || err2 != nil || len(bytes.TrimSpace(boot)) == 0 {
		return ""
	}
	sum := sha256.Sum256([]byte(string(bytes.TrimSpace(boot)) + space))
	return hex.EncodeToString(sum[:5])
})

// processGone says whether no process of this machine has that number, or one that has ended.
func processGone(pid int) bool {
	if pid <= 0 {
		return false
	}
	if err := syscall.Kill(pid, 0); err != nil {
		return errors.Is(err, syscall.ESRCH)
	}
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return errors.Is(err, os.ErrNotExist) && errors.Is(syscall.Kill(pid, 0), syscall.ESRCH)
	}
	name := bytes.LastIndexByte(stat, ')') // 12 (name) Z ...
	return name >= 0 && bytes.HasPrefix(stat[name:], []byte(") Z"))
}
