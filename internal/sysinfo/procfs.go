package sysinfo

import (
	"bufio"
	"os"
	"strconv"
	"strings"
)

// Bytes is the amount of memory behind a field's name, such as "VmHWM:", in a file that counts in kB, such as
// /proc/self/status. It is not known on other systems, or where there is no such field.
func Bytes(file, field string) (bytes int64, known bool) {
	f, err := os.Open(file)
	if err != nil {
		return 0, false
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if rest, found := strings.CutPrefix(lines.Text(), field); found {
			kib, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(rest, "kB")), 10, 64)
			return kib << 10, err == nil
		}
	}
	return 0, false
}
