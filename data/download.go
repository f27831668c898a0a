package data

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// maxDownloadBytes bounds what a wrong server can write to the disk; the largest file has 26 MB.
const maxDownloadBytes = 256 << 20

// sayAfter is how long something may take before the user is told what it is.
const sayAfter = 2 * time.Second

// errStalled is the cause of a download that received nothing for too long.
var errStalled = errors.New("no data arrives")

// download is one compressed file on its way into the cache. Bytes are appended to path + ".part", which survives an
// interruption and is continued by the next run. Only verified content is renamed to path.
type download struct {
	url, path string
	mark      string // in the part's name, where other processes may download at the same time
	file      File
	client    *http.Client
	stall     time.Duration
	progress  func(done, total int64)
	say       func(text string)
}

func (d download) run(ctx context.Context) error {
	part := d.path + d.mark + ".part"
	f, err := os.OpenFile(part, os.O_CREATE|os.O_RDWR, 0o666)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := d.transfer(ctx, f); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := d.verify(part); err != nil {
		// A damaged part cannot be continued.
		return errors.Join(err, os.Remove(part))
	}
	if err := os.Rename(part, d.path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(d.path))
}

// transfer brings f to the file's full length.
func (d download) transfer(ctx context.Context, f *os.File) error {
	have, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	watchdog := time.AfterFunc(d.stall, func() { cancel(fmt.Errorf("%w for %v", errStalled, d.stall)) })
	defer watchdog.Stop()

	slow := time.AfterFunc(sayAfter, func() { d.say("waiting for the answer of " + d.url) })
	resp, err := d.get(ctx, have)
	slow.Stop()
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	switch {
	case resp.StatusCode == http.StatusOK: // also where the server ignores the range
		have = 0
	case resp.StatusCode == http.StatusPartialContent && have > 0:
		if got := resp.Header.Get("Content-Range"); !strings.HasPrefix(got, fmt.Sprintf("bytes %d-", have)) {
			return fmt.Errorf("%s: asked for bytes from %d on, the server sends %q", d.url, have, got)
		}
	case resp.StatusCode == http.StatusRequestedRangeNotSatisfiable && have > 0:
		// The part is complete, or longer than the file. If its content is wrong, start over.
		if d.verify(f.Name()) == nil {
			return nil
		}
		if err := f.Truncate(0); err != nil {
			return err
		}
		return d.transfer(ctx, f)
	default:
		return &StatusError{URL: d.url, Status: resp.Status}
	}
	if err := f.Truncate(have); err != nil {
		return err
	}
	if _, err := f.Seek(have, io.SeekStart); err != nil {
		return err
	}
	return d.receive(ctx, f, resp, have, watchdog)
}

// get asks for the file from byte offset on.
func (d download) get(ctx context.Context, offset int64) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, d.url, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept-Encoding", "identity") // otherwise the transport would unpack the .gz
	if offset > 0 {
		req.Header.Set("Range", fmt.Sprintf("bytes=%d-", offset))
	}
	resp, err := d.client.Do(req)
	if err != nil {
		return nil, d.interrupted(ctx, err, offset)
	}
	return resp, nil
}

// receive appends the body to f, which has done bytes.
func (d download) receive(ctx context.Context, f *os.File, resp *http.Response, done int64, watchdog *time.Timer) error {
	total := int64(-1)
	if resp.ContentLength >= 0 {
		total = done + resp.ContentLength
	}
	d.progress(done, total)
	buf := make([]byte, 128<<10)
	for {
		n, err := resp.Body.Read(buf)
		watchdog.Reset(d.stall)
		if _, err := f.Write(buf[:n]); err != nil {
			return err
		}
		if done += int64(n); done > maxDownloadBytes {
			return fmt.Errorf("%s: more than %d bytes arrive, that is not the data set", d.url, maxDownloadBytes)
		}
		d.progress(done, total)
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return d.interrupted(ctx, err, done)
		}
	}
}

// interrupted explains a transfer's error; the cause of a cancelled context says more than the error that it led to.
func (d download) interrupted(ctx context.Context, err error, done int64) error {
	if cause := context.Cause(ctx); cause != nil {
		err = cause
	}
	if done == 0 {
		return fmt.Errorf("%s: %w", d.url, err)
	}
	return fmt.Errorf("%s: interrupted after %d bytes, run again to continue: %w", d.url, done, err)
}

// verify reports whether the compressed file at path holds the published content.
func (d download) verify(path string) error {
	r, err := os.Open(path)
	if err != nil {
		return err
	}
	defer r.Close()
	content, err := readContent(r, d.file.Bytes)
	if err != nil {
		return fmt.Errorf("what came from %s is damaged: %w", d.url, err)
	}
	return d.file.check(content, d.url)
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
