package launch

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"
)

func environment(of map[string]string) func(string) string {
	return func(name string) string { return of[name] }
}

func TestARankReadsWhatItIsTold(t *testing.T) {
	r, err := FromEnv(environment(map[string]string{EnvBirth: "1700000000000000001", EnvLocalRank: "1", EnvQuiet: "1", EnvBound: "1"}))
	if want := (Rank{Birth: time.Unix(1700000000, 1), LocalRank: 1, Quiet: true, Bound: true}); err != nil || r != want {
		t.Errorf("%+v, %v", r, err)
	}
	r, err = FromEnv(environment(nil))
	if want := (Rank{LocalRank: -1}); err != nil || r != want {
		t.Errorf("without a launcher: %+v, %v", r, err)
	}
	if err := r.Announce("nobody listens"); err != nil || r.WantsResult() {
		t.Errorf("without a launcher: %v, a result is wanted: %v", err, r.WantsResult())
	}
	for _, name := range []string{EnvBirth, EnvLocalRank, EnvAnnounceFD, EnvResultFD} {
		for _, value := range []string{"one", "-1"} {
			if _, err := FromEnv(environment(map[string]string{name: value})); err == nil || !strings.Contains(err.Error(), "$"+name) {
				t.Errorf("%s=%s: %v", name, value, err)
			}
		}
	}
}

// A rank that comes back to its cluster is at another address, and says so.
func TestALauncherHearsAllThatARankSays(t *testing.T) {
	var heard []string
	p := new(process)
	if err := p.listen(func(at string) { heard = append(heard, at) }, func() { heard = append(heard, "in a cluster") }); err != nil {
		t.Fatal(err)
	}
	r := Rank{announce: int(p.pipes[0].Fd())}
	if err := errors.Join(r.Announce("here:1"), r.Formed(), r.Announce("there:2")); err != nil {
		t.Fatal(err)
	}
	p.closePipes()
	p.heard.Wait()
	if want := []string{"here:1", "in a cluster", "there:2"}; !slices.Equal(heard, want) {
		t.Errorf("%q, want %q", heard, want)
	}
}
