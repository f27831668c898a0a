package scaling

import (
	"bytes"
	"encoding/json"
	"flag"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the golden files anew")

func TestGolden(t *testing.T) {
	lone := sampleStudy(1)
	lone.Points, lone.Machine, lone.Cores = lone.Points[1:], "", 0
	for _, c := range []struct {
		file  string
		study Study
		write func(io.Writer, Report) error
	}{
		{"strong-and-weak.txt", sampleStudy(1, 2, 4), WriteText},
		{"strong-and-weak.jsonl", sampleStudy(1, 2, 4), WriteJSON},
		{"one-point.txt", lone, WriteText},
		{"one-point.jsonl", lone, WriteJSON},
	} {
		t.Run(c.file, func(t *testing.T) {
			r, err := Analyse(c.study)
			if err != nil {
				t.Fatal(err)
			}
			var got bytes.Buffer
			if err := c.write(&got, r); err != nil {
				t.Fatal(err)
			}
			path := filepath.Join("testdata", c.file)
			if *update {
				if err := os.WriteFile(path, got.Bytes(), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got.Bytes(), want) {
				t.Errorf("%s differs; look at the change and write it with `go test ./scaling -update`. Got\n%s", path, got.String())
			}
		})
	}
}

func TestJSONHasAKindALine(t *testing.T) {
	r, err := Analyse(sampleStudy(1, 2, 4))
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := WriteJSON(&out, r); err != nil {
		t.Fatal(err)
	}
	kinds := map[string]int{}
	for line := range strings.Lines(out.String()) {
		var fields map[string]any
		if err := json.Unmarshal([]byte(line), &fields); err != nil {
			t.Fatalf("%v in %s", err, line)
		}
		kind := fields["kind"].(string)
		kinds[kind]++
		if _, marked := fields["prediction"]; marked != (kind == "prediction") {
			t.Errorf("a %s is marked as a prediction: %t", kind, marked)
		}
		for name, v := range fields {
			if v == nil && name != "cpu_seconds" && name != "model_seconds" && name != "relative_error" {
				t.Errorf("%s of a %s is null", name, kind)
			}
		}
	}
	want := map[string]int{"study": 1, "point": 6, "rank": 14, "collective": 12, "model": 1, "prediction": 30, "verdict": 6}
	for kind, n := range want {
		if kinds[kind] != n {
			t.Errorf("%d lines of %s, want %d", kinds[kind], kind, n)
		}
	}
	if len(kinds) != len(want) {
		t.Errorf("kinds %v", kinds)
	}
}

// A study can be kept as JSON and analysed later.
func TestStudyRoundTrip(t *testing.T) {
	study := sampleStudy(1, 2)
	text, err := json.Marshal(study)
	if err != nil {
		t.Fatal(err)
	}
	var back Study
	if err := json.Unmarshal(text, &back); err != nil {
		t.Fatal(err)
	}
	var want, got strings.Builder
	for out, s := range map[*strings.Builder]Study{&want: study, &got: back} {
		r, err := Analyse(s)
		if err != nil {
			t.Fatal(err)
		}
		if err := WriteJSON(out, r); err != nil {
			t.Fatal(err)
		}
	}
	if got.String() != want.String() {
		t.Errorf("got\n%s\nwant\n%s", got.String(), want.String())
	}
}

// TestEveryFieldIsDocumented looks each field's name up in docs/scaling.md.
func TestEveryFieldIsDocumented(t *testing.T) {
	docs, err := os.ReadFile(filepath.Join("..", "..", "docs", "scaling.md"))
	if err != nil {
		t.Fatal(err)
	}
	lines, err := os.ReadFile(filepath.Join("testdata", "strong-and-weak.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	var look func(v any)
	names := map[string]bool{}
	look = func(v any) {
		switch v := v.(type) {
		case map[string]any:
			for name, inner := range v {
				names[name] = true
				look(inner)
			}
		case []any:
			for _, inner := range v {
				look(inner)
			}
		}
	}
	for line := range bytes.Lines(lines) {
		var v any
		if err := json.Unmarshal(line, &v); err != nil {
			t.Fatal(err)
		}
		look(v)
	}
	for name := range names {
		if !bytes.Contains(docs, []byte("`"+name+"`")) {
			t.Errorf("docs/scaling.md lacks the field %s", name)
		}
	}
	for _, r := range rules {
		if !bytes.Contains(docs, []byte("\n| "+string(r.cause)+" |")) {
			t.Errorf("docs/scaling.md lacks the cause %s", r.cause)
		}
	}
}
