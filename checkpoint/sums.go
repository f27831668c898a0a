package checkpoint

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
)

// The entries of a file's metadata that say what was written, so that damage is found: keySums is a JSON object with the SHA-256, in hex,
// of each tensor's bytes as they lie in the file, and keyDescription the sum of all else that the header says (describe). They find
// faults, not malice: who changes a file on purpose can change them too.
const (
	keySums        = "ringloom.sha256"
	keyDescription = "ringloom.description_sha256"
)

// sums are the SHA-256 of tensors in hex, by their names.
type sums map[string]string

// hexDigits of a SHA-256.
const hexDigits = 2 * sha256.Size

// noSum stands for a sum that is not known yet.
var noSum = strings.Repeat("0", hexDigits)

// maxHashers is how many cores compute sums at once: on one, with SHA instructions, that takes as long as a fast disk does to write.
const maxHashers = 4

// hasher computes the sums of tensors, whose names differ, beside whoever writes them.
type hasher struct {
	tensors []Tensor
	sums    []string
	next    atomic.Int64
	workers sync.WaitGroup
}

// startSums begins on one core: another is needed to write.
func startSums(tensors []Tensor) *hasher {
	h := &hasher{tensors: tensors, sums: make([]string, len(tensors))}
	h.workers.Go(h.work)
	return h
}

// speedUp takes the other cores too, once what is written is in the system's hands.
func (h *hasher) speedUp() {
	for range min(maxHashers, runtime.GOMAXPROCS(0)) - 1 {
		h.workers.Go(h.work)
	}
}

func (h *hasher) work() {
	for {
		i := int(h.next.Add(1)) - 1
		if i >= len(h.tensors) {
			return
		}
		hash := sha256.New()
		_ = writeData(hash, h.tensors[i]) // a hash takes everything
		h.sums[i] = hexOf(hash)
	}
}

// wait returns the sums once all are there.
func (h *hasher) wait() sums {
	h.workers.Wait()
	all := make(sums, len(h.tensors))
	for i, t := range h.tensors {
		all[t.Name] = h.sums[i]
	}
	return all
}

func hexOf(h hash.Hash) string { return hex.EncodeToString(h.Sum(nil)) }

// describe is the sum of what a header says besides places and sums: the other metadata, and each tensor's type, shape and sum. It is that of
// a JSON object with sorted names, {"metadata":{...},"tensors":{NAME:{"dtype":...,"shape":[...],"sha256":...},...}}, so that another
// order in the file is the same.
func describe(metadata map[string]string, entries map[string]entry, s sums) (string, error) {
	type tensor struct {
		DType  string `json:"dtype"`
		Shape  []int  `json:"shape"`
		SHA256 string `json:"sha256"`
	}
	all := struct {
		Metadata map[string]string `json:"metadata"`
		Tensors  map[string]tensor `json:"tensors"`
	}{map[string]string{}, map[string]tensor{}}
	for key, value := range metadata {
		if key != keySums && key != keyDescription {
			all.Metadata[key] = value
		}
	}
	for name, e := range entries {
		all.Tensors[name] = tensor{e.DType, e.Shape, s[name]}
	}
	text, err := json.Marshal(all)
	if err != nil {
		return "", err
	}
	h := sha256.New()
	h.Write(text)
	return hexOf(h), nil
}

// readSums returns the sums of a file's tensors, after it has held all else that the header says against its own. It returns nil where the
// file has none, as those of other programs and of older versions.
func readSums(metadata map[string]string, entries map[string]entry) (sums, error) {
	text, some := metadata[keySums]
	want, described := metadata[keyDescription]
	if !some && !described {
		return nil, nil
	}
	var s sums
	if err := json.Unmarshal([]byte(text), &s); err != nil {
		return nil, damaged("its metadata has no sums of its tensors")
	}
	got, err := describe(metadata, entries, s)
	if err != nil {
		return nil, err
	}
	if got != want {
		return nil, damaged("the SHA-256 of its description is %.8s, %.8q was written with it", got, want)
	}
	return s, nil
}

// check compares a tensor's bytes with what was written.
func (s sums) check(name string, h hash.Hash) error {
	if got := hexOf(h); s[name] != got {
		return damaged("the SHA-256 of tensor %q is %.8s, %.8q was written with it", name, got, s[name])
	}
	return nil
}

func damaged(format string, args ...any) error {
	return fmt.Errorf("%w: %s: take another file (or, if a program has changed this one, have it leave out the metadata %q and %q)",
		ErrDamaged, fmt.Sprintf(format, args...), keySums, keyDescription)
}
