package scaling

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

func pageOf(t *testing.T, s Study) string {
	t.Helper()
	r, err := Analyse(s)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := WriteHTML(&out, r); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// pageStudies are those whose pages differ in what they show.
func pageStudies() map[string]Study {
	weak := sampleStudy(1, 2, 4)
	weak.Points = []Point{weak.Points[1], weak.Points[3], weak.Points[5]}
	bare := sampleStudy(1, 2)
	bare.Collectives = nil
	for i := range bare.Points {
		bare.Points[i].PerRank = nil
	}
	emulated := sampleStudy(2, 4, 8, 16)
	emulated.Emulated, emulated.EmulatedStepSeconds = true, 0.32
	poor := sampleStudy(1, 2, 4)
	for i := range poor.Collectives {
		poor.Collectives[i].Seconds *= []float64{1, 5}[i%2]
	}
	return map[string]Study{"1": sampleStudy(1), "2": sampleStudy(1, 2), "4": sampleStudy(1, 2, 3, 4), "8": sampleStudy(1, 2, 3, 4, 6, 8, 12, 16),
		"weak": weak, "bare": bare, "emulated": emulated, "poor": poor}
}

// TestPageIsWellFormed reads the page as XML, which forgives nothing. With RINGLOOM_PAGES=folder it leaves the pages
// there to be looked at.
func TestPageIsWellFormed(t *testing.T) {
	for name, study := range pageStudies() {
		text := pageOf(t, study)
		if folder := os.Getenv("RINGLOOM_PAGES"); folder != "" {
			if err := os.WriteFile(filepath.Join(folder, name+".html"), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		d := xml.NewDecoder(strings.NewReader(text))
		svgs, depth := 0, 0
		for {
			token, err := d.Token()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			switch e := token.(type) {
			case xml.StartElement:
				depth++
				if e.Name.Local == "svg" {
					svgs++
				}
			case xml.EndElement:
				depth--
			}
		}
		if depth != 0 || svgs == 0 {
			t.Errorf("%s: depth %d at the end, %d pictures", name, depth, svgs)
		}
		if strings.Contains(text, "NaN") || strings.Contains(text, "Inf") || strings.Contains(text, "ZgotmplZ") {
			t.Errorf("%s: a number or a value is missing", name)
		}
	}
}

func TestPageIsSelfContained(t *testing.T) {
	text := strings.ReplaceAll(pageOf(t, sampleStudy(1, 2, 4)), `xmlns="http://www.w3.org/2000/svg"`, "")
	if found := regexp.MustCompile(`(?i)(https?:)?//[a-z]|\b(src|href)=|url\(|@import|<(script|link|iframe|img|object)\b`).FindString(text); found != "" {
		t.Errorf("the page asks for something else: %q", found)
	}
}

func TestPageEscapesNames(t *testing.T) {
	s := sampleStudy(1, 2)
	const evil = `<script>alert("&")</script>`
	s.Model, s.Machine, s.Device, s.Version, s.Transport, s.Wire = evil, evil, evil, evil, evil, evil
	// The slowest rank's node is named in a sentence too, and so is on the page twice.
	s.Points[2].PerRank[1].Node = evil
	text := pageOf(t, s)
	if strings.Contains(text, "<script") {
		t.Error("a name is part of the page's code")
	}
	if n := strings.Count(text, "&lt;script&gt;"); n < 7 {
		t.Errorf("names stand %d times on the page", n)
	}
}

func TestPageMarksPredictions(t *testing.T) {
	text := pageOf(t, sampleStudy(1, 2, 4))
	for _, says := range []string{`class="tag">prediction<`, "ring (prediction)", "prediction, not measured", "Nothing in this table was measured", "predicted c1", "<title>prediction: ring, 4096 ranks: "} {
		if !strings.Contains(text, says) {
			t.Errorf("%q is not on the page", says)
		}
	}
	// Plots of predictions show no measured point: those are filled.
	for _, part := range strings.Split(text, "<figure ")[1:] {
		if predicted := strings.Contains(part, "Predicted"); predicted != strings.Contains(part, `class="hollow`) || predicted == strings.Contains(part, `class="dot`) && !strings.Contains(part, "p-forward") {
			t.Errorf("a figure mixes measured and predicted: %.200s", part)
		}
	}
	without := sampleStudy(1, 2)
	without.Collectives = nil
	if text := pageOf(t, without); strings.Contains(text, "Predicted step") || !strings.Contains(text, "None, because no all-reduce") {
		t.Error("without a model there is no plot of predictions, but a reason")
	}
}
