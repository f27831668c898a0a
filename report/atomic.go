package report

import (
	"bufio"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// WriteFileAtomic writes what write produces to path so that a crash at any moment leaves the old file or the new
// one, whole: a temporary file in the same directory, sync, rename, sync of the directory. Others may read and write the new file
// as the umask says. What is no file, such as /dev/stdout or a named pipe, is written as it is: a rename would put a file in its place.
//
// Where path becomes a file, the writer has a method PatchLater(offset int64, fill func() []byte): what fill returns takes the place of
// what was written at offset, once everything else is on the disk. So fill may wait for what takes as long as writing does. It is called
// exactly once, even where writing fails.
func WriteFileAtomic(path string, write func(io.Writer) error) error {
	return WriteFileKeeping(path, "", write)
}

// WriteFileKeeping is WriteFileAtomic, and keeps the file that was at path under another name in the same directory; an empty name keeps
// nothing. On file systems with hard links there is a file at path at every moment.
func WriteFileKeeping(path, previous string, write func(io.Writer) error) (err error) {
	if isDevice(path) {
		return writeDevice(path, write)
	}
	dir := filepath.Dir(path)
	f, err := createTemporary(path)
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
	if err = writeSynced(f, write); err != nil {
		return err
	}
	if err = f.Close(); err != nil {
		return err
	}
	if previous != "" {
		if err = keep(path, filepath.Join(dir, previous)); err != nil {
			return err
		}
	}
	if err = os.Rename(f.Name(), path); err != nil {
		return err
	}
	return syncDir(dir)
}

// maxBaseBytes of a name go into that of its temporary file: names may have 255.
const maxBaseBytes = 200

// createTemporary makes a file beside path, as the umask says; os.CreateTemp would keep it from all others, and not every file system
// can change that.
func createTemporary(path string) (*os.File, error) {
	dir, base := filepath.Split(path)
	base = strings.ToValidUTF8(base[:min(len(base), maxBaseBytes)], "")
	for tries := 0; ; tries++ {
		f, err := os.OpenFile(fmt.Sprintf("%s.%s.%.10s", dir, base, rand.Text()), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
		if !errors.Is(err, fs.ErrExist) || tries == 10 {
			return f, err
		}
	}
}

// writeSynced writes everything to the disk, patches last.
func writeSynced(f *os.File, write func(io.Writer) error) error {
	w := &patchable{Writer: bufio.NewWriterSize(f, 1<<20)}
	err := write(w)
	if err == nil {
		err = w.Flush()
	}
	if err == nil {
		err = f.Sync()
	}
	for _, p := range w.patches {
		content := p.fill() // whatever has failed: it ends with this call
		if err == nil {
			_, err = f.WriteAt(content, p.offset)
		}
	}
	if err == nil && len(w.patches) > 0 {
		err = f.Sync()
	}
	return err
}

// patchable is the writer of a file that is not there for others yet.
type patchable struct {
	*bufio.Writer
	patches []patch
}

type patch struct {
	offset int64
	fill   func() []byte
}

// PatchLater is described at WriteFileAtomic.
func (p *patchable) PatchLater(offset int64, fill func() []byte) {
	p.patches = append(p.patches, patch{offset, fill})
}

// keep gives the file at path, if there is one, another name too, in the place of what has that.
func keep(path, name string) error {
	link := fmt.Sprintf("%s.%.10s", filepath.Join(filepath.Dir(name), "."+filepath.Base(name)), rand.Text())
	err := os.Link(path, link)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil { // no hard links here: for a moment there is no file at path
		return os.Rename(path, name)
	}
	defer os.Remove(link) // it is still there where name was a link to the same file
	return os.Rename(link, name)
}

// syncDir brings a directory's names to the disk, where its file system can do that.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	if err := d.Sync(); err != nil && !errors.Is(err, syscall.EINVAL) && !errors.Is(err, errors.ErrUnsupported) {
		return err
	}
	return nil
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
