package data

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// mirror serves the tiny set, with byte ranges as the real one does. It records the requests.
type mirror struct {
	t *testing.T

	mu       sync.Mutex
	requests []string // path and range
	before   func(w http.ResponseWriter, r *http.Request) bool
}

func (m *mirror) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	m.mu.Lock()
	m.requests = append(m.requests, strings.TrimSpace(r.URL.Path+" "+r.Header.Get("Range")))
	before := m.before
	m.mu.Unlock()
	if before != nil && before(w, r) {
		return
	}
	name := strings.TrimPrefix(r.URL.Path, "/set/")
	content := compress(m.t, tinyContent(strings.TrimSuffix(name, ".gz")))
	http.ServeContent(w, r, name, time.Time{}, bytes.NewReader(content))
}

// online returns options that download from a new mirror.
func online(t *testing.T, before func(w http.ResponseWriter, r *http.Request) bool) (Options, *mirror) {
	m := &mirror{t: t, before: before}
	server := httptest.NewServer(m)
	t.Cleanup(server.Close)
	o := places(t)
	o.Offline = false
	o.URL = server.URL + "/set"
	return o, m
}

// names lists a folder without the lock file.
func names(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, e := range entries {
		if e.Name() != "locks" {
			all = append(all, e.Name())
		}
	}
	return all
}

var complete = []string{"test-images.gz", "test-labels.gz", "train-images.gz", "train-labels.gz"}

func TestDownloadFillsTheCacheOnce(t *testing.T) {
	o, m := online(t, nil)
	progress := map[string][2]int64{}
	o.Progress = func(file string, done, total int64) { progress[file] = [2]int64{done, total} }
	source, err := Find(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if source.Origin != "downloaded" || source.Dir != o.CacheDir {
		t.Errorf("found %s %s", source.Origin, source.Dir)
	}
	if train, _, err := source.Load(); err != nil || train.N != 3 {
		t.Errorf("loading it: %v", err)
	}
	for _, file := range tiny().all() {
		size := int64(len(compress(t, tinyContent(file.Name))))
		if got := progress[file.Name]; got != [2]int64{size, size} {
			t.Errorf("%s: the last progress is %v of %d bytes", file.Name, got, size)
		}
	}
	if again, err := Find(t.Context(), o); err != nil || again.Origin != "user cache" {
		t.Errorf("the second time: %v", err)
	}
	if len(m.requests) != 4 || !slices.Equal(names(t, o.CacheDir), complete) {
		t.Errorf("requests %v, cache %v", m.requests, names(t, o.CacheDir))
	}
}

func TestConcurrentProcessesDownloadOnce(t *testing.T) {
	o, m := online(t, nil)
	var group sync.WaitGroup
	for range 6 {
		group.Go(func() {
			source, err := Find(context.Background(), o)
			if err == nil {
				_, _, err = source.Load()
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	if len(m.requests) != 4 {
		t.Errorf("requests %v", m.requests)
	}
}

func TestDownloadKeepsWhatTheCacheHas(t *testing.T) {
	o, m := online(t, nil)
	writeFile(t, filepath.Join(o.CacheDir, "train-images"), tinyImages)
	if _, err := Find(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	if len(m.requests) != 3 {
		t.Errorf("requests %v", m.requests)
	}
}

func TestInterruptedDownloadLeavesThePartAndIsResumed(t *testing.T) {
	const cut = 10
	o, m := online(t, func(w http.ResponseWriter, r *http.Request) bool {
		content := compress(t, tinyImages)
		w.Header().Set("Content-Length", fmt.Sprint(len(content)))
		w.Write(content[:cut])
		return true // the server closes the connection, the announced length is missing
	})
	_, err := Find(t.Context(), o)
	if err == nil || !strings.Contains(err.Error(), "interrupted after 10 bytes, run again to continue") {
		t.Fatalf("got %v", err)
	}
	if got := names(t, o.CacheDir); !slices.Equal(got, []string{"train-images.gz.part"}) {
		t.Fatalf("the cache holds %v", got)
	}

	m.before = nil
	if _, err := Find(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	if want := "/set/train-images.gz bytes=10-"; m.requests[1] != want {
		t.Errorf("the second request is %q, want %q", m.requests[1], want)
	}
	if got := names(t, o.CacheDir); !slices.Equal(got, complete) {
		t.Errorf("the cache holds %v", got)
	}
}

func TestResumeWhereTheServerKnowsNoRanges(t *testing.T) {
	o, _ := online(t, func(w http.ResponseWriter, r *http.Request) bool {
		r.Header.Del("Range")
		return false
	})
	writeFile(t, filepath.Join(o.CacheDir, "train-images.gz.part"), []byte("a longer part than what will come, from something else entirely"))
	if _, err := Find(t.Context(), o); err != nil {
		t.Error(err)
	}
}

func TestResumeOfACompletePart(t *testing.T) {
	for name, part := range map[string][]byte{
		"whole":   compress(t, tinyImages),
		"foreign": bytes.Repeat([]byte("x"), 1000),
	} {
		o, _ := online(t, nil)
		writeFile(t, filepath.Join(o.CacheDir, "train-images.gz.part"), part)
		source, err := Find(t.Context(), o)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if _, _, err := source.Load(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestWrongDownloadsAreRefusedAndLeaveNothing(t *testing.T) {
	other := bytes.Clone(tinyImages)
	other[20]++
	answer := func(content []byte) func(http.ResponseWriter, *http.Request) bool {
		return func(w http.ResponseWriter, r *http.Request) bool { w.Write(content); return true }
	}
	for name, c := range map[string]struct {
		before func(http.ResponseWriter, *http.Request) bool
		is     func(error) bool
		says   string
		left   []string
	}{
		"another data set": {answer(compress(t, other)), func(err error) bool { return errors.As(err, new(*HashError)) }, "SHA-256", nil},
		"corrupt":          {answer(compress(t, tinyImages)[:30]), func(err error) bool { return errors.Is(err, ErrFormat) }, "is damaged", nil},
		"a web page":       {answer([]byte("<html>log in to this network</html>")), func(err error) bool { return errors.Is(err, ErrFormat) }, "is damaged", nil},
		"404": {func(w http.ResponseWriter, r *http.Request) bool { http.NotFound(w, r); return true },
			func(err error) bool { return errors.As(err, new(*StatusError)) }, "/set/train-images.gz: the server answers 404 Not Found", nil},
	} {
		o, _ := online(t, c.before)
		_, err := Find(t.Context(), o)
		if err == nil || !c.is(err) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: got %v", name, err)
		}
		for _, file := range names(t, o.CacheDir) {
			if info, _ := os.Stat(filepath.Join(o.CacheDir, file)); !strings.HasSuffix(file, ".part") || info.Size() != 0 {
				t.Errorf("%s: %s is left with %d bytes", name, file, info.Size())
			}
		}
	}
}

func TestAStalledDownloadEnds(t *testing.T) {
	release := make(chan struct{})
	o, _ := online(t, func(w http.ResponseWriter, r *http.Request) bool {
		w.Header().Set("Content-Length", "1000")
		w.Write([]byte("abc"))
		w.(http.Flusher).Flush()
		<-release
		return true
	})
	t.Cleanup(func() { close(release) }) // before the server's own clean-up, which waits for the handler
	o.Stall = 50 * time.Millisecond
	if _, err := Find(t.Context(), o); !errors.Is(err, errStalled) {
		t.Errorf("got %v", err)
	}
}

func TestACancelledWaitForTheLockEnds(t *testing.T) {
	o := Options{CacheDir: t.TempDir()}
	unlock, alone, err := o.lock(t.Context())
	if err != nil || !alone {
		t.Fatal(alone, err)
	}
	defer unlock()
	ctx, cancel := context.WithCancelCause(t.Context())
	cause := errors.New("interrupted")
	cancel(cause)
	if _, _, err := o.lock(ctx); err != cause {
		t.Errorf("got %v", err)
	}
}
