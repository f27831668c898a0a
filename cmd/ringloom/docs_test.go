package main

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"ringloom/internal/doctest"
)

// The documents name commands and flags. This file holds them against the commands that there are.

const root = "../.."

// pages are the documents of today.
func pages(t *testing.T) (all []doctest.Page) {
	t.Helper()
	every, err := doctest.Pages(root)
	if err != nil {
		t.Fatal(err)
	}
	for _, page := range every {
		if !page.Historical() {
			all = append(all, page)
		}
	}
	return all
}

// program is how a line calls this program: by name, by path, or as what a container image runs.
var program = regexp.MustCompile(`(?:^|[ (])(?:[^ =]*bin/)?ringloom(?::\w+)? (.*)`)

// invocation is what stands behind the program's name, up to a comment, a pipe or the end of a command.
func invocation(line string) ([]string, bool) {
	m := program.FindStringSubmatch(line)
	if m == nil {
		return nil, false
	}
	rest, _, _ := strings.Cut(m[1], " #")
	rest = regexp.MustCompile(`[;|>]`).Split(rest, 2)[0]
	return strings.Fields(strings.ReplaceAll(rest, `"`, "")), true
}

// find is the command that words call, and what stands behind it.
func find(words []string) (*cobra.Command, []string, error) {
	cmd, rest, err := rootCommand().Find(words)
	switch {
	case err != nil:
		return nil, nil, err
	case cmd.HasSubCommands() && len(rest) > 0 && !strings.HasPrefix(rest[0], "-"):
		return nil, nil, fmt.Errorf("%s has no command %s", cmd.CommandPath(), rest[0])
	}
	return cmd, rest, nil
}

// parse reads the flags of a command line as the program does; behind launch's -- stand those of train.
func parse(words []string) error {
	cmd, rest, err := find(words)
	if err != nil {
		return err
	}
	if err := cmd.ParseFlags(rest); err != nil && err != pflag.ErrHelp {
		return err
	}
	stray := cmd.Flags().Args()
	if cmd.Name() == "launch" && cmd.ArgsLenAtDash() == 0 {
		return parse(append([]string{"train"}, stray...))
	}
	if len(stray) > 0 && (cmd.Args == nil || cmd.Args(cmd, stray) != nil) {
		return fmt.Errorf("%s takes no %q", cmd.CommandPath(), stray[0])
	}
	return nil
}

// TestCommandLinesOfTheDocuments: each line of a block that calls the program has a command, flags and values that it
// takes.
func TestCommandLinesOfTheDocuments(t *testing.T) {
	found := 0
	for _, page := range pages(t) {
		for _, line := range page.Lines {
			words, ok := invocation(line)
			if !ok {
				continue
			}
			found++
			if err := parse(words); err != nil {
				t.Errorf("%s: %q: %v", page.Name, strings.TrimSpace(line), err)
			}
		}
	}
	if found < 30 {
		t.Errorf("only %d command lines were found: this test looks for them in the wrong way", found)
	}
}

// flags are all flags of a command and those below it.
func flags(cmd *cobra.Command) map[string]bool {
	all := map[string]bool{"help": true}
	cmd.LocalFlags().VisitAll(func(f *pflag.Flag) { all[f.Name] = true })
	for _, below := range cmd.Commands() {
		for name := range flags(below) {
			all[name] = true
		}
	}
	return all
}

// scriptFlags are the flags of the scripts of compare.
func scriptFlags(t *testing.T) map[string]bool {
	t.Helper()
	all, added := map[string]bool{}, regexp.MustCompile(`add_argument\(\s*"--([a-z][a-z0-9-]*)"`)
	err := filepath.WalkDir(filepath.Join(root, "compare"), func(name string, d fs.DirEntry, err error) error {
		if err != nil || filepath.Ext(name) != ".py" {
			return err
		}
		content, err := os.ReadFile(name)
		for _, m := range added.FindAllStringSubmatch(string(content), -1) {
			all[m[1]] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// othersFlags are flags of other programs that the documents name.
var othersFlags = []string{"build-arg", "ignore-scripts"}

// TestFlagsOfTheDocuments: spans that call a command name flags of its; spans that are a flag alone, one of any command
// or script.
func TestFlagsOfTheDocuments(t *testing.T) {
	known, scripts := flags(rootCommand()), scriptFlags(t)
	flag := regexp.MustCompile(`(?:^|[ \[('])--([a-z][a-z0-9-]*)`)
	for _, page := range pages(t) {
		for _, span := range page.Spans {
			words, call := invocation(span)
			allowed := known
			if call {
				cmd, _, err := find(words)
				if err != nil {
					t.Errorf("%s: `%s`: %v", page.Name, span, err)
					continue
				}
				allowed = flags(cmd)
				if cmd.Name() == "launch" {
					allowed = known
				}
			}
			for _, m := range flag.FindAllStringSubmatch(span, -1) {
				if !allowed[m[1]] && (call || !scripts[m[1]] && !slices.Contains(othersFlags, m[1])) {
					t.Errorf("%s: `%s`: there is no --%s", page.Name, span, m[1])
				}
			}
		}
	}
}

// TestFlagsAreDocumented: the pages under docs say something about each flag of train and launch.
func TestFlagsAreDocumented(t *testing.T) {
	var docs strings.Builder
	for _, page := range pages(t) {
		if strings.HasPrefix(page.Name, "docs/") {
			docs.WriteString(page.Text)
		}
	}
	for _, command := range []string{"train", "launch"} {
		cmd, _, err := find([]string{command})
		if err != nil {
			t.Fatal(err)
		}
		cmd.LocalFlags().VisitAll(func(f *pflag.Flag) {
			named := regexp.MustCompile(`--`+regexp.QuoteMeta(f.Name)+`\b`).MatchString(docs.String()) ||
				f.Shorthand != "" && strings.Contains(docs.String(), "-"+f.Shorthand+" ")
			if !named && f.Name != "help" {
				t.Errorf("docs say nothing of --%s of %s", f.Name, command)
			}
		})
	}
}

// TestExitCodesAreDocumented: docs/cluster.md has the table that --help prints.
func TestExitCodesAreDocumented(t *testing.T) {
	page, err := os.ReadFile(filepath.Join(root, "docs", "cluster.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range exitMeanings {
		if row := fmt.Sprintf("| %d | %s |\n", e.code, e.meaning); !strings.Contains(string(page), row) {
			t.Errorf("docs/cluster.md lacks the line %s", row)
		}
	}
}
