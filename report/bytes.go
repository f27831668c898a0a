package report

import (
	"fmt"
	"strconv"
)

// Bytes is a number of bytes in its shortest exact form: 4096 is "4KiB", 1000 is "1000".
func Bytes(n int64) string {
	for _, u := range []struct {
		suffix string
		bytes  int64
	}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}} {
		if n != 0 && n%u.bytes == 0 {
			return fmt.Sprintf("%d%s", n/u.bytes, u.suffix)
		}
	}
	return strconv.FormatInt(n, 10)
}
