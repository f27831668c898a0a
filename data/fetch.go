package data

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"ringloom/internal/filelock"
)

// fetch downloads what the cache lacks. A lock on the cache lets one process of several download.
func (o Options) fetch(ctx context.Context) (*Source, error) {
	if err := os.MkdirAll(o.CacheDir, 0o777); err != nil {
		return nil, fmt.Errorf("making the cache for Fashion-MNIST: %w", err)
	}
	unlock, alone, err := o.lock(ctx)
	if err != nil {
		return nil, fmt.Errorf("locking the cache for Fashion-MNIST: %w", err)
	}
	defer unlock()
	source, _, err := o.look("user cache", o.CacheDir) // another process may have finished by now
	if err != nil || source != nil {
		return source, err
	}
	for _, file := range o.Files.all() {
		if _, err := locate(o.CacheDir, file.Name); err == nil {
			continue
		}
		d := download{
			url:      strings.TrimSuffix(o.URL, "/") + "/" + file.Name + ".gz",
			path:     filepath.Join(o.CacheDir, file.Name+".gz"),
			file:     file,
			client:   o.Client,
			stall:    o.Stall,
			say:      o.Say,
			progress: func(done, total int64) { o.Progress(file.Name, done, total) },
		}
		if !alone {
			d.mark = fmt.Sprintf(".%d", os.Getpid())
		}
		if err := d.run(ctx); err != nil {
			return nil, fmt.Errorf("downloading Fashion-MNIST: %w", err)
		}
	}
	source, place, err := o.look("downloaded", o.CacheDir)
	if err == nil && source == nil {
		err = &NotFoundError{Places: []Place{place}, Hint: "it was there a moment ago: does something else empty the cache?"}
	}
	return source, err
}

// lock takes the cache's lock, and returns the function that releases it. alone is false where there is none to have, on a file
// system without locks or where its holder shows no sign of life: this process then downloads beside others.
func (o Options) lock(ctx context.Context) (unlock func(), alone bool, err error) {
	said := false
	l, err := filelock.Take(ctx, filepath.Join(o.CacheDir, "locks", "data"), filelock.Options{
		Waiting: func(waited time.Duration) {
			if !said && waited >= sayAfter {
				said = true
				o.Say("waiting for another process that downloads Fashion-MNIST into " + o.CacheDir)
			}
		},
	})
	if errors.Is(err, filelock.ErrUnsupported) || errors.Is(err, filelock.ErrHeld) {
		return func() {}, false, nil
	}
	if err != nil {
		return nil, false, err
	}
	return l.Release, true, nil
}
