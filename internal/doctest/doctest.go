// Package doctest reads what the repository's documents show as code, for the tests that hold documents against the
// sources.
package doctest

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// Page is a Markdown file.
type Page struct {
	Name string // path from the repository's root, with slashes
	Text string
	// Lines are the lines of its blocks of code, fenced or indented, but for those of ```text: a program has printed
	// them.
	Lines []string
	// Spans are what stands between backquotes, without them.
	Spans []string
}

// Historical says whether a page also names what there was: a decision, or the change log.
func (p Page) Historical() bool {
	return strings.HasPrefix(p.Name, "docs/decisions/") || p.Name == "CHANGELOG.md"
}

// Pages are all Markdown files below root, the repository's folder, except in folders that are hidden or that the
// Makefile and runs make.
func Pages(root string) (pages []Page, err error) {
	err = fs.WalkDir(os.DirFS(root), ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (name == "bin" || name == "build" || name == "runs" || name != "." && d.Name()[0] == '.'):
			return fs.SkipDir
		case filepath.Ext(name) != ".md":
			return nil
		}
		text, err := os.ReadFile(filepath.Join(root, name))
		if err == nil {
			pages = append(pages, parse(name, string(text)))
		}
		return err
	})
	return pages, err
}

var span = regexp.MustCompile("`([^`]+)`")

func parse(name, text string) Page {
	p := Page{Name: name, Text: text}
	fenced, printed := false, false
	for line := range strings.Lines(text) {
		switch line = strings.TrimRight(line, "\n"); {
		case strings.HasPrefix(strings.TrimSpace(line), "```"):
			fenced, printed = !fenced, strings.HasSuffix(line, "```text")
		case fenced && !printed, !fenced && strings.HasPrefix(line, "    "):
			p.Lines = append(p.Lines, line)
		case !fenced:
			for _, s := range span.FindAllStringSubmatch(line, -1) {
				p.Spans = append(p.Spans, s[1])
			}
		}
	}
	return p
}
