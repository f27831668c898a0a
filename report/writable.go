package report

import (
	"io/fs"
	"path/filepath"
	"syscall"
)

// CheckWritable finds out beforehand whether WriteFileAtomic may write path: into its folder, which must be there, or to the
// device or pipe that path is.
func CheckWritable(path string) error {
	if isDevice(path) {
		return access(path, mayWrite)
	}
	return access(filepath.Dir(path), mayWrite|mayEnter)
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
