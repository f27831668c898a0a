package cluster

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strings"

	"ringloom/internal/printable"
)

// Field is one setting that must be the same on all members.
type Field struct {
	Name  string `json:"n"`
	Value string `json:"v"`
}

// Digest is the ordered list of settings that must be the same on all members: model, parameters, seed, and so on.
// Every name is unique in it. It must hold no secrets: its values are shown in other nodes' error messages.
type Digest []Field

// hash identifies the digest: the first 12 bytes of a SHA-256 over its length-prefixed names and values, in
// hexadecimal.
func (d Digest) hash() string {
	h := sha256.New()
	write := func(s string) {
		var length [8]byte
		binary.BigEndian.PutUint64(length[:], uint64(len(s)))
		h.Write(length[:])
		h.Write([]byte(s))
	}
	for _, f := range d {
		write(f.Name)
		write(f.Value)
	}
	return hex.EncodeToString(h.Sum(nil)[:12])
}

// Difference is a field on which two digests differ. A field that one side lacks has "(none)" there.
type Difference struct {
	Field       string
	Here, There string
}

// diff lists the fields on which two digests differ, in the order of here, then those that only there has.
func diff(here, there Digest) []Difference {
	const none = "(none)"
	other := make(map[string]string, len(there))
	for _, f := range there {
		other[f.Name] = f.Value
	}
	var out []Difference
	seen := make(map[string]bool, len(here))
	for _, f := range here {
		seen[f.Name] = true
		v, ok := other[f.Name]
		if !ok {
			v = none
		}
		if !ok || v != f.Value {
			out = append(out, difference(f.Name, f.Value, v))
		}
	}
	for _, f := range there {
		if !seen[f.Name] {
			out = append(out, difference(f.Name, none, f.Value))
		}
	}
	return out
}

// difference is for people to see, and half of it comes from a peer.
func difference(field, here, there string) Difference {
	return Difference{printable.Text(field), printable.Text(here), printable.Text(there)}
}

// describe writes differences on one line, "model: here lenet, worker-1 has alexnet; seed: ...".
func describe(ds []Difference, there string) string {
	if len(ds) == 0 {
		return "the same fields in another order"
	}
	parts := make([]string, len(ds))
	for i, d := range ds {
		parts[i] = fmt.Sprintf("%s: here %s, %s has %s", d.Field, d.Here, there, d.There)
	}
	return strings.Join(parts, "; ")
}
