package data

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// fetch downloads what the cache lacks. A lock on the cache lets one process of several download.
func (o Options) fetch(ctx context.Context) (*Source, error) {
	if err := os.MkdirAll(o.CacheDir, 0o777); err != nil {
		return nil, fmt.Errorf("making the cache for Fashion-MNIST: %w", err)
	}
	unlock, err := lock(ctx, filepath.Join(o.CacheDir, ".lock"))
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
			progress: func(done, total int64) { o.Progress(file.Name, done, total) },
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

// lock takes an exclusive lock on the file at path, which it creates, and returns the function that releases it. The
// lock ends with the process, so a crash leaves nothing to clean up. Who can open the file can hold it, so nobody else can.
func lock(ctx context.Context, path string) (unlock func(), err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	locked := make(chan error, 1)
	go func() { locked <- syscall.Flock(int(f.Fd()), syscall.LOCK_EX) }()
	select {
	case err := <-locked:
		if err != nil {
			f.Close()
			return nil, err
		}
		return func() { f.Close() }, nil
	case <-ctx.Done():
		go func() { <-locked; f.Close() }() // flock cannot be interrupted; the goroutine ends when the other process releases the lock
		return nil, context.Cause(ctx)
	}
}
