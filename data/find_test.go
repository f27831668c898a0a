package data

import (
	"bytes"
	"compress/gzip"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// tiny is a data set that fits a test: the same three images for training and test.
func tiny() *Files {
	images, labels := hashOf(tinyImages), hashOf(tinyLabels)
	return &Files{
		TrainImages: File{"train-images", int64(len(tinyImages)), images},
		TrainLabels: File{"train-labels", int64(len(tinyLabels)), labels},
		TestImages:  File{"test-images", int64(len(tinyImages)), images},
		TestLabels:  File{"test-labels", int64(len(tinyLabels)), labels},
	}
}

// tinyContent is what the file of that name holds.
func tinyContent(name string) []byte {
	if strings.HasSuffix(name, "images") {
		return tinyImages
	}
	return tinyLabels
}

func compress(t testing.TB, content []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write(content); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func writeFile(t testing.TB, path string, content []byte) {
	t.Helper()
	if err := os.WriteFile(path, content, 0o644); err != nil {
		t.Fatal(err)
	}
}

// writeTiny puts the tiny set into dir, every second file compressed.
func writeTiny(t testing.TB, dir string) string {
	t.Helper()
	for i, file := range tiny().all() {
		if i%2 == 0 {
			writeFile(t, filepath.Join(dir, file.Name), tinyContent(file.Name))
		} else {
			writeFile(t, filepath.Join(dir, file.Name+".gz"), compress(t, tinyContent(file.Name)))
		}
	}
	return dir
}

// places are options that find nothing: empty folders and no network.
func places(t testing.TB) Options {
	return Options{
		Getenv: func(string) string { return "" }, CacheDir: t.TempDir(), DebianDir: t.TempDir(), Offline: true, Files: tiny(),
	}
}

func TestFindPrefersTheFlagThenEnvironmentCacheAndDebian(t *testing.T) {
	flag, env := writeTiny(t, t.TempDir()), writeTiny(t, t.TempDir())
	o := places(t)
	writeTiny(t, o.CacheDir)
	writeTiny(t, o.DebianDir)
	o.Dir = flag
	o.Getenv = func(name string) string { return map[string]string{"RINGLOOM_DATA": env}[name] }

	expect := func(origin, dir string) {
		t.Helper()
		source, err := Find(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		if source.Origin != origin || source.Dir != dir {
			t.Errorf("found %s %s, want %s %s", source.Origin, source.Dir, origin, dir)
		}
		train, test, err := source.Load()
		if err != nil || train.N != 3 || test.N != 3 || train.Hash() != test.Hash() {
			t.Errorf("%s: %v %v %v", origin, train, test, err)
		}
	}
	expect("--data", flag)
	o.Dir = ""
	expect("$RINGLOOM_DATA", env)
	o.Getenv = func(string) string { return "" }
	expect("user cache", o.CacheDir)
	o.CacheDir = t.TempDir()
	expect("Debian package", o.DebianDir)
	file := filepath.Join(o.CacheDir, "file")
	writeFile(t, file, nil)
	o.CacheDir = file // no folder; but nobody has named it
	expect("Debian package", o.DebianDir)
}

func TestANamedFolderIsNeverReplaced(t *testing.T) {
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "train-images"), tinyImages)
	for name, set := range map[string]func(*Options){
		"--data":         func(o *Options) { o.Dir = dir },
		"$RINGLOOM_DATA": func(o *Options) { o.Getenv = func(string) string { return dir } },
	} {
		o := places(t)
		writeTiny(t, o.CacheDir)
		set(&o)
		_, err := Find(t.Context(), o)
		var missing *NotFoundError
		if !errors.As(err, &missing) || len(missing.Places) != 1 || missing.Places[0].Dir != dir || missing.Places[0].Origin != name {
			t.Fatalf("%s: got %v", name, err)
		}
		if want := name + " " + dir + " lacks train-labels[.gz], test-images[.gz], test-labels[.gz]"; !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v\nlacks %q", name, err, want)
		}
	}
}

func TestNotFoundNamesEveryPlace(t *testing.T) {
	o := places(t)
	_, err := Find(t.Context(), o)
	for _, want := range []string{"user cache " + o.CacheDir + " has none", "Debian package " + o.DebianDir + " has none", "--data"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v\nlacks %q", err, want)
		}
	}
}

func TestLoadRefusesDamagedFilesAndNamesThem(t *testing.T) {
	for name, c := range map[string]struct {
		file    string
		content []byte
		want    error
		says    string
	}{
		"truncated":        {"train-images", tinyImages[:20], ErrFormat, "train-images: not a valid IDX file: it is truncated, 20 of 28 bytes"},
		"oversized":        {"train-images", append(bytes.Clone(tinyImages), 1), ErrFormat, "longer than the expected 28 bytes"},
		"half a header":    {"test-labels.gz", compress(t, tinyLabels)[:5], ErrFormat, "test-labels.gz: not a valid IDX file: it cannot be decompressed"},
		"more behind":      {"test-labels.gz", append(compress(t, tinyLabels), 0, 0, 7), ErrFormat, "something else follows"},
		"cut compression":  {"test-labels.gz", compress(t, tinyLabels)[:20], ErrFormat, "cannot be decompressed"},
		"a bomb":           {"test-labels.gz", compress(t, make([]byte, 1<<20)), ErrFormat, "longer than the expected 11 bytes"},
		"another data set": {"train-images", append(bytes.Clone(tinyImages[:27]), 77), nil, "train-images is damaged or another data set: the SHA-256 of its content is"},
	} {
		dir := writeTiny(t, t.TempDir())
		o := places(t)
		o.Dir = dir
		writeFile(t, filepath.Join(dir, c.file), c.content)
		source, err := Find(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		_, _, err = source.Load()
		if err == nil || !strings.Contains(err.Error(), c.says) || c.want != nil && !errors.Is(err, c.want) {
			t.Errorf("%s: got %v", name, err)
		}
		if c.want == nil && !errors.As(err, new(*HashError)) {
			t.Errorf("%s: got %T", name, err)
		}
		bad := 0
		for _, status := range source.Verify() {
			if status.Err != nil {
				bad++
				if !strings.Contains(status.Err.Error(), c.says) || filepath.Base(status.Path) != c.file {
					t.Errorf("%s: Verify says %v", name, status.Err)
				}
			}
		}
		if bad != 1 {
			t.Errorf("%s: Verify finds %d damaged files", name, bad)
		}
	}
}

// Files of other people: compressed under a plain name, plain under a compressed one, padded with zeros, in several members.
func TestContentIsWhatItBeginsAs(t *testing.T) {
	half := len(tinyImages) / 2
	dir := writeTiny(t, t.TempDir())
	for name, content := range map[string][]byte{
		"train-images":   compress(t, tinyImages),
		"train-labels":   compress(t, tinyLabels),
		"test-images":    append(append(compress(t, tinyImages[:half]), compress(t, tinyImages[half:])...), 0),
		"test-labels.gz": append(compress(t, tinyLabels), make([]byte, 100_000)...),
	} {
		writeFile(t, filepath.Join(dir, name), content)
	}
	o := places(t)
	o.Dir = dir
	source, err := Find(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if train, test, err := source.Load(); err != nil || train.N != 3 || test.N != 3 {
		t.Errorf("%v, %v, %v", train, test, err)
	}
	writeFile(t, filepath.Join(dir, "test-labels.gz"), tinyLabels)
	if _, _, err := source.Load(); err != nil {
		t.Errorf("plain under a compressed name: %v", err)
	}
}

// torchvision's root folder, and the one of the set in it, have the files in folders below.
func TestFoldersOfTorchvision(t *testing.T) {
	root := t.TempDir()
	raw := filepath.Join(root, "FashionMNIST", "raw")
	if err := os.MkdirAll(raw, 0o700); err != nil {
		t.Fatal(err)
	}
	writeTiny(t, raw)
	for _, dir := range []string{root, filepath.Join(root, "FashionMNIST"), raw} {
		o := places(t)
		o.Dir = dir
		source, err := Find(t.Context(), o)
		if err != nil || source.Dir != raw {
			t.Errorf("%s: %+v, %v", dir, source, err)
			continue
		}
		if _, _, err := source.Load(); err != nil {
			t.Errorf("%s: %v", dir, err)
		}
	}
	if err := os.Remove(filepath.Join(raw, "train-images")); err != nil {
		t.Fatal(err)
	}
	o := places(t)
	o.Dir = root
	if _, err := Find(t.Context(), o); err == nil || !strings.Contains(err.Error(), raw+" lacks train-images[.gz];") {
		t.Errorf("got %v", err)
	}
	o.Dir = t.TempDir()
	if _, err := Find(t.Context(), o); err == nil || !strings.Contains(err.Error(), "none of its files (train-images[.gz], train-labels[.gz], test-images[.gz], test-labels[.gz])") {
		t.Errorf("got %v", err)
	}
}

func TestLoadRefusesCountsThatDisagree(t *testing.T) {
	dir := writeTiny(t, t.TempDir())
	short := encodeIDX(labelsMagic, []byte{1, 2}, 2)
	writeFile(t, filepath.Join(dir, "test-labels.gz"), compress(t, short))
	o := places(t)
	o.Dir = dir
	o.Files.TestLabels = File{"test-labels", int64(len(short)), hashOf(short)}
	source, err := Find(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err = source.Load(); !errors.Is(err, ErrFormat) || !strings.Contains(err.Error(), "3 images") || !strings.Contains(err.Error(), "2 labels") {
		t.Errorf("got %v", err)
	}
}

func TestHashIsTheSameForFilesAndMemory(t *testing.T) {
	o := places(t)
	o.Dir = writeTiny(t, t.TempDir())
	source, err := Find(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	train, _, err := source.Load()
	if err != nil {
		t.Fatal(err)
	}
	same := NewDataset(train.Images, train.Labels, train.Side)
	if train.Hash() != same.Hash() {
		t.Errorf("from files %s, from memory %s", train.Hash(), same.Hash())
	}
	labels := bytes.Clone(train.Labels)
	labels[0]++
	if other := NewDataset(train.Images, labels, train.Side); other.Hash() == same.Hash() {
		t.Error("another label has the same hash")
	}
}

// The published set, where Debian's package or a cache has it.
func TestThePublishedDataSet(t *testing.T) {
	if testing.Short() {
		t.Skip("SKIPPED, Fashion-MNIST itself is not tested: -short is set, and the race detector makes unpacking it slow")
	}
	source, err := Find(t.Context(), Options{Offline: true})
	if err != nil {
		t.Skipf("SKIPPED, Fashion-MNIST itself is not tested: %v", err)
	}
	train, test, err := source.Load()
	if err != nil {
		t.Fatal(err)
	}
	if train.N != 60000 || test.N != 10000 || train.Side != Side || test.Side != Side {
		t.Errorf("%d and %d images of %d and %d", train.N, test.N, train.Side, test.Side)
	}
	_, counts := firstOfEachClass(train, 1)
	for class, n := range counts {
		if n != 6000 {
			t.Errorf("class %d has %d training images", class, n)
		}
	}
	small := first8(t)
	if !bytes.HasPrefix(test.Images, small.Images) || !bytes.HasPrefix(test.Labels, small.Labels) {
		t.Error("the test set does not start with the images of testdata")
	}
}

func BenchmarkLoad(b *testing.B) {
	source, err := Find(b.Context(), Options{Offline: true})
	if err != nil {
		b.Skip(err)
	}
	for b.Loop() {
		if _, _, err := source.Load(); err != nil {
			b.Fatal(err)
		}
	}
}
