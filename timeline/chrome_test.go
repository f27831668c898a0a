package timeline

import (
	"bytes"
	"cmp"
	"encoding/json"
	"flag"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the golden files anew")

func TestChromeIsTheGoldenTrace(t *testing.T) {
	ranks := twoRanks()
	slices.Reverse(ranks)
	var out bytes.Buffer
	if err := WriteChrome(&out, ranks); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join("testdata", "two-ranks.json")
	if *update {
		if err := os.WriteFile(path, out.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(out.Bytes(), want) {
		t.Errorf("the trace differs from %s (go test ./timeline -update writes it anew, to be looked at):\n%s", path, out.Bytes())
	}
	checkTrace(t, out.Bytes(), 2)
}

// checkTrace reads a trace as a viewer does: JSON, every rank a named process, every thread named, and the events of a
// thread one after the other.
func checkTrace(t *testing.T, trace []byte, ranks int) {
	t.Helper()
	type event struct {
		Name, Ph string
		Ts, Dur  float64
		Pid, Tid int
		Args     map[string]any
	}
	var events []event
	if err := json.Unmarshal(trace, &events); err != nil {
		t.Fatal(err)
	}
	slices.SortStableFunc(events, func(a, b event) int {
		return cmp.Or(cmp.Compare(a.Ph, b.Ph), cmp.Compare(a.Ts, b.Ts)) // M before X
	})
	named := map[string]bool{}
	ends := map[string]float64{}
	for _, e := range events {
		process, thread := fmt.Sprint(e.Pid), fmt.Sprintf("%d/%d", e.Pid, e.Tid)
		switch {
		case e.Ph == "M" && e.Name == "process_name":
			named[process] = strings.HasPrefix(e.Args["name"].(string), fmt.Sprintf("rank %d: ", e.Pid-1))
		case e.Ph == "M" && e.Name == "thread_name":
			named[thread] = e.Args["name"] != ""
		case e.Ph == "X":
			if !named[process] || !named[thread] {
				t.Errorf("%s is on thread %s, which has no name", e.Name, thread)
			}
			if math.Round(1e3*e.Ts) < math.Round(1e3*ends[thread]) {
				t.Errorf("%s on thread %s begins at %v, before %v", e.Name, thread, e.Ts, ends[thread])
			}
			ends[thread] = e.Ts + e.Dur
		}
	}
	for rank := range ranks {
		if !named[fmt.Sprint(rank+1)] {
			t.Errorf("rank %d is missing", rank)
		}
	}
}

func TestOverlappingCollectivesGetLanes(t *testing.T) {
	lane, used := lanes([]Event{
		{Kind: Comm, Begin: 5, End: 9}, {Kind: Forward, Begin: 0, End: 99}, {Kind: Comm, Begin: 0, End: 6},
		{Kind: FiniteCheck, Begin: 6, End: 7}, {Kind: Comm, Begin: 8, End: 10}, {Kind: Comm, Begin: 8, End: 9},
	})
	if want := []int{1, 0, 0, 0, 0, 2}; used != 3 || !slices.Equal(lane, want) {
		t.Errorf("%v on %d lanes, want %v on 3", lane, used, want)
	}
}

func TestTraceOfNothingIsEmpty(t *testing.T) {
	var out bytes.Buffer
	if err := WriteChrome(&out, nil); err != nil || out.String() != "[]\n" {
		t.Errorf("%q, %v", out.String(), err)
	}
}

// full has no room left.
type full struct{}

func (full) Write([]byte) (int, error) { return 0, os.ErrClosed }

func TestWriteChromeReportsTheWriter(t *testing.T) {
	if err := WriteChrome(full{}, twoRanks()); err != os.ErrClosed {
		t.Errorf("got %v", err)
	}
}
