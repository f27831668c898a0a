package report

import (
	"fmt"
	"os"
	"syscall"
)

// OpenAppend opens a file of a folder to append to it, and makes the file where there is none. It takes nothing but a regular file, and
// follows no link: whoever else may write into the folder could lead it to any file of this user's.
func OpenAppend(folder *os.Root, name string) (*os.File, error) {
	return openIn(folder, name, os.O_WRONLY|os.O_APPEND|os.O_CREATE)
}

// openIn opens a regular file that is no link. It looks before, for opening a pipe would wait, and behind, for it may have been replaced
// meanwhile.
func openIn(root *os.Root, name string, flag int) (*os.File, error) {
	path := func() string { return root.Name() + string(os.PathSeparator) + name }
	if info, err := root.Lstat(name); err == nil && !info.Mode().IsRegular() {
		return nil, notRegular(path(), info)
	}
	f, err := root.OpenFile(name, flag|syscall.O_NONBLOCK, 0o666)
	if err != nil {
		return nil, err
	}
	is, err := f.Stat()
	if err == nil {
		var named os.FileInfo
		if named, err = root.Lstat(name); err == nil && (!named.Mode().IsRegular() || !os.SameFile(is, named)) {
			err = notRegular(path(), named)
		}
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

func notRegular(path string, info os.FileInfo) error {
	what := "no regular file"
	if info.Mode()&os.ModeSymlink != 0 {
		what = "a link, which is not followed"
	}
	return fmt.Errorf("%s is %s: remove it, or choose another folder", path, what)
}
