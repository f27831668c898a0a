package data

import (
	"errors"
	"fmt"
	"strings"
)

var (
	// ErrFormat is wrapped by the error of a file that is no IDX file of 8-bit images or labels.
	ErrFormat = errors.New("not a valid IDX file")
	// ErrClosed is what Next returns after Close.
	ErrClosed = errors.New("data: the loader is closed")
)

// NotFoundError says that no place holds the whole data set, and why each of them does not.
type NotFoundError struct {
	Places []Place // in the order they were looked at
	Hint   string  // what would help
}

// Place is a folder that was looked at.
type Place struct {
	Origin  string   // "--data", "$RINGLOOM_DATA", "user cache", "Debian package"
	Dir     string   // empty where the origin has none
	Missing []string // the files that are not there
}

// Error is one line: where the data set was looked for, and what would help.
func (e *NotFoundError) Error() string {
	places := make([]string, len(e.Places))
	for i, p := range e.Places {
		places[i] = p.String()
	}
	return fmt.Sprintf("Fashion-MNIST was not found: %s; %s", strings.Join(places, "; "), e.Hint)
}

func (p Place) String() string {
	switch {
	case p.Dir == "":
		return p.Origin + " is not set"
	case len(p.Missing) == fileCount:
		return fmt.Sprintf("%s %s has none of its files (%s)", p.Origin, p.Dir, strings.Join(p.Missing, ", "))
	}
	return fmt.Sprintf("%s %s lacks %s", p.Origin, p.Dir, strings.Join(p.Missing, ", "))
}

// HashError is content that is not the published one.
type HashError struct {
	Path      string // the file, or the address it was downloaded from
	Want, Got string // SHA-256 of the decompressed content, in hex
}

func (e *HashError) Error() string {
	return fmt.Sprintf("%s is damaged or another data set: the SHA-256 of its content is %s, expected %s", e.Path, e.Got, e.Want)
}

// StatusError is an HTTP answer that holds no data.
type StatusError struct {
	URL    string
	Status string // such as "404 Not Found"
}

func (e *StatusError) Error() string {
	return fmt.Sprintf("%s: the server answers %s", e.URL, e.Status)
}
