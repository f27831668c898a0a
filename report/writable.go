package report

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// CheckWritable finds out beforehand whether WriteFileAtomic may write path: into its folder, which must be there, or to the
// device or pipe that path is. Its error says what to do, and goes behind the path.
func CheckWritable(path string) error {
	if isDevice(path) {
		return access(path, mayWrite)
	}
	if strings.HasSuffix(path, string(filepath.Separator)) || isDir(path) {
		return fmt.Errorf("it is a folder; name a file, such as %s", filepath.Join(path, "output"))
	}
	dir := filepath.Dir(path)
	if !isDir(dir) {
		return fmt.Errorf("there is no folder %s; make it, or name a file elsewhere", dir)
	}
	if _, err := os.Lstat(path); err != nil && !errors.Is(err, fs.ErrNotExist) { // such as a name that is too long
		return err
	}
	return access(dir, mayWrite|mayEnter)
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// What access(2) is asked; package syscall does not name them.
const (
	mayWrite = 2 // W_OK
	mayEnter = 1 // X_OK, of a folder
)

func access(path string, mode uint32) error {
	if err := syscall.Access(path, mode); err != nil {
		return &fs.PathError{Op: "write to", Path: path, Err: err}
	}
	return nil
}
