package data

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// Options says where Find looks. The zero value looks in the usual places, and downloads if none of them has the data
// set.
type Options struct {
	// Dir is the folder that the user named (--data), or torchvision's root. If set, it is the only place: without the files it is an error.
	Dir string
	// Getenv reads $RINGLOOM_DATA, which counts like Dir when set. Nil means os.Getenv.
	Getenv func(string) string
	// CacheDir is the user's cache and where downloads go. Empty means os.UserCacheDir()/ringloom.
	CacheDir string
	// DebianDir is where Debian's package dataset-fashion-mnist lies. Empty means /usr/share/datasets/fashion-mnist.
	DebianDir string

	// Offline forbids the download.
	Offline bool
	// URL is the folder that the compressed files are downloaded from. Empty means Canonical.
	URL string
	// Client downloads. Nil means one that honours the environment's proxies.
	Client *http.Client
	// Stall is how long a download may receive nothing before it fails. 0 means a minute.
	Stall time.Duration
	// Progress is called during the download of file, in bytes; total is -1 if the server does not tell. May be nil.
	Progress func(file string, done, total int64)
	// Say is told in one line what takes more than 2 s beside a download. May be nil.
	Say func(text string)

	// Files is what is looked for. Nil means FashionMNIST; tests give a smaller one.
	Files *Files
}

func (o Options) withDefaults() Options {
	if o.Getenv == nil {
		o.Getenv = os.Getenv
	}
	if o.CacheDir == "" {
		if dir, err := os.UserCacheDir(); err == nil {
			o.CacheDir = filepath.Join(dir, "ringloom")
		}
	}
	if o.DebianDir == "" {
		o.DebianDir = "/usr/share/datasets/fashion-mnist"
	}
	if o.URL == "" {
		o.URL = Canonical
	}
	if o.Client == nil {
		transport := http.DefaultTransport.(*http.Transport).Clone()
		transport.ResponseHeaderTimeout = 30 * time.Second
		o.Client = &http.Client{Transport: transport}
	}
	if o.Stall == 0 {
		o.Stall = time.Minute
	}
	if o.Progress == nil {
		o.Progress = func(string, int64, int64) {}
	}
	if o.Say == nil {
		o.Say = func(string) {}
	}
	if o.Files == nil {
		o.Files = &FashionMNIST
	}
	return o
}

// Source is a folder that holds all four files. Their content has not been checked yet.
type Source struct {
	Dir    string
	Origin string // "--data", "$RINGLOOM_DATA", "user cache", "Debian package" or "downloaded"
	Paths  [4]string
	Files  Files // what the paths should hold: training images and labels, test images and labels
}

// Find returns the first place that holds the data set: Dir, else $RINGLOOM_DATA, else the user's cache, else the
// Debian package, else it downloads into the user's cache. A folder that the user named is never replaced by another
// one. Several processes may call Find at once; one downloads and the others wait for it. The error is a
// NotFoundError, or what ended the download.
func Find(ctx context.Context, options Options) (*Source, error) {
	o := options.withDefaults()
	for _, named := range []Place{{Origin: "--data", Dir: o.Dir}, {Origin: "$RINGLOOM_DATA", Dir: o.Getenv("RINGLOOM_DATA")}} {
		if named.Dir == "" {
			continue
		}
		source, place, err := o.look(named.Origin, named.Dir)
		if err != nil || source != nil {
			return source, err
		}
		return nil, &NotFoundError{
			Places: []Place{place},
			Hint:   fmt.Sprintf("put the files there, compressed or not, or leave out %s to use the usual places or a download", named.Origin),
		}
	}
	var looked []Place
	for _, usual := range []Place{{Origin: "user cache", Dir: o.CacheDir}, {Origin: "Debian package", Dir: o.DebianDir}} {
		source, place, err := o.look(usual.Origin, usual.Dir)
		if errors.Is(err, syscall.ENOTDIR) { // the user has not named it: the next place may have them
			err = nil
		}
		if err != nil || source != nil {
			return source, err
		}
		looked = append(looked, place)
	}
	if o.Offline || o.CacheDir == "" {
		return nil, &NotFoundError{
			Places: looked,
			Hint:   "install Debian's dataset-fashion-mnist, name a folder with --data, or allow the download",
		}
	}
	return o.fetch(ctx)
}

// subfolders are where the files may lie in a folder instead, as torchvision has them in a set's folder and in its root.
var subfolders = []string{"raw", filepath.Join("FashionMNIST", "raw")}

// look returns the source in dir or a folder below, or the place that lacks the least. The error is a folder that cannot be read.
func (o Options) look(origin, dir string) (*Source, Place, error) {
	source, least, err := o.lookIn(origin, dir)
	if dir == "" || err != nil || source != nil {
		return source, least, err
	}
	for _, folder := range subfolders {
		source, place, err := o.lookIn(origin, filepath.Join(dir, folder))
		if source != nil {
			return source, place, nil
		}
		if err == nil && len(place.Missing) < len(least.Missing) {
			least = place
		}
	}
	return nil, least, nil
}

// lookIn is look in one folder.
func (o Options) lookIn(origin, dir string) (*Source, Place, error) {
	place := Place{Origin: origin, Dir: dir}
	source := &Source{Dir: dir, Origin: origin, Files: *o.Files}
	if dir == "" {
		return nil, place, nil
	}
	for i, file := range o.Files.all() {
		path, err := locate(dir, file.Name)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			place.Missing = append(place.Missing, file.Name+"[.gz]")
		case err != nil:
			return nil, place, fmt.Errorf("looking for Fashion-MNIST in %s: %w", origin, err)
		}
		source.Paths[i] = path
	}
	if len(place.Missing) > 0 {
		return nil, place, nil
	}
	return source, place, nil
}

// locate returns the path of a file in dir, plain or compressed.
func locate(dir, name string) (string, error) {
	for _, path := range []string{filepath.Join(dir, name), filepath.Join(dir, name+".gz")} {
		info, err := os.Stat(path)
		if err == nil && info.Mode().IsRegular() {
			return path, nil
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return "", err
		}
	}
	return "", fmt.Errorf("%s: %w", filepath.Join(dir, name), fs.ErrNotExist)
}
