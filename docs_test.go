package ringloom_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"

	"ringloom/internal/doctest"
)

func read(t *testing.T, name string) string {
	t.Helper()
	content, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// pages are all Markdown files of the repository.
func pages(t *testing.T) []doctest.Page {
	t.Helper()
	all, err := doctest.Pages(".")
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestMakeTargetsExist(t *testing.T) {
	targets := map[string]bool{}
	for _, rule := range regexp.MustCompile(`(?m)^\.PHONY: (.+)$`).FindAllStringSubmatch(read(t, "Makefile"), -1) {
		for _, name := range strings.Fields(rule[1]) {
			targets[name] = true
		}
	}
	call, named := regexp.MustCompile(`(?:^|[ ;(])make (?:-k )?([a-z][a-z-]*)`), 0
	for _, page := range pages(t) {
		for _, line := range slices.Concat(page.Lines, page.Spans) {
			for _, m := range call.FindAllStringSubmatch(line, -1) {
				named++
				if !targets[m[1]] {
					t.Errorf("%s names make %s, which the Makefile does not have: %q", page.Name, m[1], line)
				}
			}
		}
	}
	if named < 20 {
		t.Errorf("only %d targets were found in the documents: this test looks for them in the wrong way", named)
	}
}

var link = regexp.MustCompile(`\]\(([^)\s]+)\)`)

func TestLinksResolve(t *testing.T) {
	for _, page := range pages(t) {
		for _, m := range link.FindAllStringSubmatch(page.Text, -1) {
			target, anchor, _ := strings.Cut(m[1], "#")
			if strings.Contains(target, "://") {
				continue
			}
			file := page.Name
			if target != "" {
				file = path.Join(path.Dir(page.Name), target)
			}
			if _, err := os.Stat(file); err != nil {
				t.Errorf("%s links to %s, which is not there", page.Name, m[1])
			} else if anchor != "" && !slices.Contains(anchors(read(t, file)), anchor) {
				t.Errorf("%s links to %s, which has no such heading", page.Name, m[1])
			}
		}
	}
}

// anchors are the names that GitHub gives to headings.
func anchors(document string) (all []string) {
	for _, m := range regexp.MustCompile(`(?m)^#+ (.+)$`).FindAllStringSubmatch(document, -1) {
		kept := strings.Map(func(r rune) rune {
			if r == ' ' || r == '-' || r == '_' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 0x80 {
				return r
			}
			return -1
		}, strings.ToLower(m[1]))
		all = append(all, strings.ReplaceAll(kept, " ", "-"))
	}
	return all
}

// TestPathsExist: what documents show as code and is the path of a file or folder of the repository, from its root.
func TestPathsExist(t *testing.T) {
	entries, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	folders := map[string]bool{}
	for _, e := range entries {
		folders[e.Name()] = e.IsDir()
	}
	for _, made := range []string{"bin", "build", "runs"} {
		delete(folders, made)
	}
	candidate := regexp.MustCompile(`(?:^|[ "'=(])(?:\./)?((?:[a-zA-Z0-9_.-]+/)+[a-zA-Z0-9_.-]*)`)
	for _, page := range pages(t) {
		if page.Historical() {
			continue
		}
		for _, line := range slices.Concat(page.Lines, page.Spans) {
			for _, m := range candidate.FindAllStringSubmatch(line, -1) {
				name := strings.TrimRight(strings.TrimSuffix(m[1], "/..."), "./")
				if first, _, _ := strings.Cut(name, "/"); !folders[first] {
					continue
				}
				if _, err := os.Stat(name); err != nil {
					t.Errorf("%s names %s, which is not there: %q", page.Name, name, line)
				}
			}
		}
	}
}

// TestWalksNameWhatExists: in a table of docs/architecture.md a Go file is followed by names of what is declared in it.
func TestWalksNameWhatExists(t *testing.T) {
	piece := regexp.MustCompile("\\]\\(\\.\\./([^)]+\\.go)\\)|`([A-Za-z]\\w*(?:\\.\\w+)?)`")
	declared := map[string][]string{}
	checked := 0
	for line := range strings.Lines(read(t, "docs/architecture.md")) {
		if !strings.HasPrefix(line, "|") {
			continue
		}
		file := ""
		for _, m := range piece.FindAllStringSubmatch(line, -1) {
			if m[1] != "" {
				file = m[1]
			}
			if m[2] == "" || file == "" {
				continue
			}
			checked++
			if declared[file] == nil {
				declared[file] = declarations(t, file)
			}
			if !slices.Contains(declared[file], m[2]) {
				t.Errorf("docs/architecture.md looks for %s in %s, which does not declare it", m[2], file)
			}
		}
	}
	if checked < 20 {
		t.Errorf("only %d names were found: this test looks for them in the wrong way", checked)
	}
}

// declarations are the functions, types and methods (as Type.Method) of a file; none if it is not there.
func declarations(t *testing.T, name string) []string {
	t.Helper()
	names := []string{""}
	file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
	if err != nil {
		t.Error(err)
		return names
	}
	for _, d := range file.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			names = append(names, receiver(d)+d.Name.Name)
		case *ast.GenDecl:
			for _, s := range d.Specs {
				if s, ok := s.(*ast.TypeSpec); ok {
					names = append(names, s.Name.Name)
				}
			}
		}
	}
	return names
}

func receiver(f *ast.FuncDecl) string {
	if f.Recv == nil {
		return ""
	}
	of := f.Recv.List[0].Type
	if star, ok := of.(*ast.StarExpr); ok {
		of = star.X
	}
	if name, ok := of.(*ast.Ident); ok {
		return name.Name + "."
	}
	return ""
}
