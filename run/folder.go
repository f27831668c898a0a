package run

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"ringloom/internal/printable"
	"strings"
	"syscall"
	"time"
)

// runsDir is where runs have their folders, in the working directory.
const runsDir = "runs"

// folder is what the leader says of where the run's record is: a name, and never a path. Every rank writes below a folder that its own
// user has named, by --run-dir or --resume, or below runs in its own working directory.
type folder struct {
	Name string `json:"name"`
	// GoesOn says that the record is in the folder of the state that the run goes on from.
	GoesOn bool `json:"goes_on,omitempty"`
	// Best is the best test accuracy so far, -1 before the first.
	Best float64 `json:"best"`
	// Base is the number of the states of the run's first leader.
	Base int `json:"base,omitempty"`
}

// maxNameBytes is what file systems take.
const maxNameBytes = 255

// folderName says whether a text can be the name of a folder, and nothing else.
func folderName(s string) bool {
	return s != "" && s != "." && s != ".." && len(s) <= maxNameBytes && !strings.ContainsAny(s, `/\`) && printable.Output(s) == s &&
		!strings.ContainsAny(s, "\n\t") && filepath.IsLocal(s)
}

// newName is what a run's folder is called where nobody has named it.
func (n *node) newName() string {
	return fmt.Sprintf("%s-%s-n%d", time.Now().Format("20060102-150405.000"), n.Train.Model, n.View.WorldSize())
}

// announced is what the leader tells of its folder.
func (n *node) announced(r *record) folder {
	f := folder{GoesOn: n.Resume.Here() && n.Resume.dir != "" && sameDir(r.path, n.Resume.dir), Best: r.best, Base: r.base}
	if whole, err := filepath.Abs(r.path); err == nil && folderName(filepath.Base(whole)) {
		f.Name = filepath.Base(whole)
	} else {
		f.Name = n.newName()
	}
	return f
}

// follow opens this rank's own folder for the record that the leader tells of, and makes it where there is none.
func (r *record) follow(announced []byte) (*os.Root, error) {
	n := r.n
	var f folder
	if err := json.Unmarshal(announced, &f); err != nil || !folderName(f.Name) {
		return nil, fmt.Errorf("rank %d leads and says that the run is called %.300q, which is no name of a folder", n.View.Leader, announced)
	}
	r.best, r.base = f.Best, f.Base
	switch {
	case n.RunDir != "":
		r.path = n.RunDir
	case f.GoesOn && n.Resume.Here() && n.Resume.dir != "":
		r.path = n.Resume.dir
	default:
		r.path = filepath.Join(runsDir, f.Name)
		return openRun(f.Name)
	}
	if err := os.MkdirAll(r.path, 0o777); err != nil {
		return nil, err
	}
	return os.OpenRoot(r.path)
}

// checkRuns refuses a link called runs that another user has put into the working directory.
func checkRuns() error {
	link, err := os.Lstat(runsDir)
	if err != nil || link.Mode()&os.ModeSymlink == 0 {
		return nil
	}
	if owner, ok := link.Sys().(*syscall.Stat_t); ok && (int(owner.Uid) == os.Geteuid() || owner.Uid == 0) {
		return nil
	}
	return fmt.Errorf("%s is a link of another user's, which is not followed: name a folder with --run-dir", runsDir)
}

// openRun opens, and makes, the folder of a name below runs in the working directory. It follows no link, but that runs may be one of this
// user's own, such as to a larger disk.
func openRun(name string) (*os.Root, error) {
	if err := checkRuns(); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(runsDir, 0o777); err != nil {
		return nil, err
	}
	runs, err := os.OpenRoot(runsDir)
	if err != nil {
		return nil, err
	}
	defer runs.Close()
	if err := runs.Mkdir(name, 0o777); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	root, err := runs.OpenRoot(name)
	if err != nil {
		return nil, err
	}
	named, err := runs.Lstat(name)
	if err == nil {
		var opened os.FileInfo
		if opened, err = root.Stat("."); err == nil && (!named.IsDir() || !os.SameFile(named, opened)) {
			err = fmt.Errorf("%s is a link, which is not followed: remove it, or name a folder with --run-dir", filepath.Join(runsDir, name))
		}
	}
	if err != nil {
		root.Close()
		return nil, err
	}
	return root, nil
}
