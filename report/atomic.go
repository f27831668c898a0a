package report

import (
	"bufio"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// WriteFileAtomic writes what write produces to path so that a crash at any moment leaves the old file or the new
// one, whole: a temporary file in the same directory, sync, rename, sync of the directory. What is no file, such as /dev/stdout
// or a named pipe, is written as it is: a rename would put a file in its place.
func WriteFileAtomic(path string, write func(io.Writer) error) (err error) {
	if isDevice(path) {
		return writeDevice(path, write)
	}
	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, "."+filepath.Base(path)+".*")
	if err != nil {
		return about(path, err)
	}
	defer func() {
		if err != nil {
			f.Close()
			os.Remove(f.Name())
			err = about(path, err)
		}
	}()
	w := bufio.NewWriterSize(f, 1<<20)
	if err = write(w); err != nil {
		return err
	}
	if err = w.Flush(); err != nil {
		return err
	}
	if err = f.Chmod(0o644); err != nil {
		return err
	}
	if err = f.Sync(); err != nil {
		return err
	}
	if err = f.Close(); err != nil {
		return err
	}
	if err = os.Rename(f.Name(), path); err != nil {
		return err
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

// about makes an error of the temporary file one of path, the only name that the user knows.
func about(path string, err error) error {
	var file *fs.PathError
	if errors.As(err, &file) {
		file.Path = path
	}
	return err
}

// isDevice says that path is there and is neither a file nor a folder, but a device, a pipe or a socket.
func isDevice(path string) bool {
	info, err := os.Stat(path)
	return err == nil && !info.Mode().IsRegular() && !info.IsDir()
}

// writeDevice writes to what is there already and is no file.
func writeDevice(path string, write func(io.Writer) error) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	w := bufio.NewWriterSize(f, 1<<20)
	return errors.Join(write(w), w.Flush(), f.Close())
}
