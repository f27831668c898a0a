package run

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// The package comment says of every event who emits it, and when.
func TestEveryEventIsDocumented(t *testing.T) {
	source, err := os.ReadFile("events.go")
	if err != nil {
		t.Fatal(err)
	}
	doc, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	events := regexp.MustCompile(`(?m)^func \((\w+)\) event\(\)`).FindAllStringSubmatch(string(source), -1)
	if len(events) == 0 {
		t.Fatal("there are no events")
	}
	for _, e := range events {
		if !strings.Contains(string(doc), "\n//\t"+e[1]+" ") {
			t.Errorf("the package comment does not mention %s", e[1])
		}
	}
}

// A sink that goroutines share sees one event at a time, and nil drops all.
func TestSinksSeeOneEventAtATime(t *testing.T) {
	serialize(nil)(Warning{"nobody listens"})
	const each = 1000
	n := 0 // unguarded: the race detector looks at it
	sink := serialize(func(Event) { n++ })
	ended := make(chan struct{})
	for range 2 {
		go func() {
			for range each {
				sink(Warning{"x"})
			}
			ended <- struct{}{}
		}()
	}
	<-ended
	<-ended
	if n != 2*each {
		t.Errorf("%d events of %d", n, 2*each)
	}
}
