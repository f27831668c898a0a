package cluster

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "write what the scenarios say to testdata")

// TestScenarios runs every script of testdata: a line is a command to a set of cores, and what they do follows it,
// indented. The commands are in world.run.
func TestScenarios(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scenarios: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			w := &world{now: time.Date(2024, 5, 1, 12, 0, 0, 0, time.UTC), nodes: map[string]*core{}}
			for line := range strings.Lines(string(want)) {
				if strings.HasPrefix(line, "    ") {
					continue
				}
				w.out.WriteString(line)
				if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
					w.run(t, strings.Fields(line))
				}
			}
			got := w.out.String()
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			} else if got != string(want) {
				t.Errorf("the cores say something else; got:\n%s\nwant:\n%s", got, want)
			}
		})
	}
}

// world is a set of cores and the messages between them.
type world struct {
	now    time.Time
	nodes  map[string]*core
	names  []string // in the order of their start
	flight []letter
	out    strings.Builder

	elastic bool
	min     int
}

type letter struct {
	from, to string
	msg      message
}

func (w *world) say(format string, args ...any) { fmt.Fprintf(&w.out, "    "+format+"\n", args...) }

func (w *world) run(t *testing.T, f []string) {
	t.Helper()
	switch f[0] {
	case "start": // start NAME SIZE [model]: a node, born now
		model := "lenet"
		if len(f) > 3 {
			model = f[3]
		}
		w.start(f[1], atoi(t, f[2]), model)
	case "elastic": // elastic MIN: views follow each other, among the nodes that start from now on; those with size 0 join
		w.elastic, w.min = true, atoi(t, f[1])
	case "next": // next A VIEW [leaving]
		w.nodes[f[1]].next(w.now, uint64(atoi(t, f[2])), len(f) > 3)
	case "found": // found A B refused|silent|proven: A looks after B
		w.nodes[f[1]].found(f[2]+"~0", Evidence(f[3]))
	case "outcome": // outcome A VIEW: what Next says after that view
		reached, err := w.nodes[f[1]].nextReached(uint64(atoi(t, f[2])))
		w.say("reached %v, %v; %d may join", reached, err, w.nodes[f[1]].joiners())
	case "meet": // meet A B...: each of them learns of all of the others
		for _, a := range f[1:] {
			for _, b := range f[1:] {
				if a != b {
					w.nodes[a].up(w.now, w.nodes[b].self)
				}
			}
		}
	case "see": // see A B: A learns of B
		w.nodes[f[1]].up(w.now, w.nodes[f[2]].self)
	case "deliver": // deliver [FROM TO]: what is under way, and what that causes; with names, only what is under way between those
		w.deliver(f[1:])
	case "crash": // crash A: it does and gets nothing any more
		delete(w.nodes, f[1])
		w.flight = slices.DeleteFunc(w.flight, func(l letter) bool { return l.from == f[1] || l.to == f[1] })
	case "dead": // dead A B refused|silent: A notices that B is dead
		w.nodes[f[1]].down(f[2]+"~0", Evidence(f[3]))
	case "tick": // tick SECONDS: time passes
		w.now = w.now.Add(time.Duration(atoi(t, f[1])) * time.Second)
		for _, name := range w.names {
			if c := w.nodes[name]; c != nil {
				c.tick(w.now)
			}
		}
	case "abort": // abort A KIND TEXT
		w.nodes[f[1]].abort(w.now, Kind(f[2]), errors.New(strings.Join(f[3:], " ")))
	case "sleep": // sleep A SECONDS: A does not run for so long, and then goes on
		gap := time.Duration(atoi(t, f[2])) * time.Second
		w.now = w.now.Add(gap)
		w.nodes[f[1]].slept(w.now, gap)
	case "lose": // lose A B: what is under way from A to B never arrives
		w.flight = slices.DeleteFunc(w.flight, func(l letter) bool { return l.from == f[1] && l.to == f[2] })
	case "suspect": // suspect A RANK
		w.nodes[f[1]].suspect(atoi(t, f[2]))
	case "finish":
		w.nodes[f[1]].finish()
	case "bye":
		w.nodes[f[1]].bye(w.now)
	case "root": // root A: what A takes for the root cause now
		c := w.nodes[f[1]]
		w.say("explained %v, leads %v: %v", c.explained(), c.leads(), c.root(3*time.Second))
	case "status":
		s := w.nodes[f[1]].status(w.now)
		w.say("%d of %d, %d missing: %s; refused %v", len(s.Joined), s.Expected, s.Missing, names(s.Joined), s.Refusals)
	default:
		t.Fatalf("unknown command %q", f[0])
	}
	w.perform()
}

func atoi(t *testing.T, s string) int {
	t.Helper()
	n, err := strconv.Atoi(s)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func (w *world) start(name string, size int, model string) {
	w.now = w.now.Add(time.Second)
	cfg := Config{Job: "j", WorldSize: size, Elastic: w.elastic, MinRanks: w.min, ElasticWait: time.Minute, Digest: Digest{{"model", model}}}
	d := cfg.fullDigest()
	port := 4000 + len(w.names)
	m := Member{ID: name + "~0", Name: name, PID: port % 100, Addr: fmt.Sprintf("10.0.0.1:%d", port), Birth: w.now, Hash: d.hash(), Machine: "m", Joiner: w.elastic && size == 0}
	w.nodes[name] = newCore(w.now, m, "j", d, size, time.Minute, newElastic(cfg))
	w.names = append(w.names, name)
}

func (w *world) deliver(only []string) {
	for range 1000 { // a bound on how long they may talk
		i := slices.IndexFunc(w.flight, func(l letter) bool { return len(only) == 0 || l.from == only[0] && l.to == only[1] })
		if i < 0 {
			return
		}
		l := w.flight[i]
		w.flight = slices.Delete(w.flight, i, i+1)
		if c := w.nodes[l.to]; c != nil {
			c.receive(w.now, l.from+"~0", l.msg)
			w.perform()
		}
	}
	w.say("they never stop talking")
}

// perform prints what the cores want done, and takes their messages.
func (w *world) perform() {
	for _, name := range w.names {
		c := w.nodes[name]
		if c == nil {
			continue
		}
		for _, a := range c.take() {
			switch a := a.(type) {
			case send:
				to := nameOf(a.to.ID)
				w.say("%s -> %s: %s", name, to, summary(a.msg))
				if w.nodes[to] != nil {
					w.flight = append(w.flight, letter{name, to, a.msg})
				}
			case begin:
				w.say("%s: view %d begins, rank %d of %s", name, a.view.Generation, a.view.Rank, names(a.view.Members))
			case end:
				w.say("%s: view ends: %v", name, a.cause)
			case fail:
				w.say("%s: fails: %v", name, a.err)
			case check:
				w.say("%s: looks after %s", name, a.member.Name)
			case regain:
				w.say("%s: tries to reach %s", name, a.member.Name)
			case drop:
				w.say("%s: forgets %s", name, a.member.Name)
			case note:
				w.say("%s: log: %s", name, a.text)
			}
		}
	}
}

func summary(m message) string {
	s := string(m.Kind)
	if m.Generation > 0 {
		s += fmt.Sprintf(" view %d", m.Generation)
	}
	if m.Attempt > 0 {
		s += fmt.Sprintf(" attempt %d", m.Attempt)
	}
	for _, x := range m.Members {
		s += " " + x.Name
	}
	if m.Ballot != (ballot{}) {
		s += fmt.Sprintf(" ballot %d.%d", m.Ballot.Round, m.Ballot.Rank)
	}
	if m.Accepted != (ballot{}) {
		s += fmt.Sprintf(" accepted %d.%d", m.Accepted.Round, m.Accepted.Rank)
	}
	if m.Choice != nil {
		s += " " + describeChoice(m.Choice)
	}
	if m.Leaving {
		s += " leaving"
	}
	if m.Joining {
		s += " joining"
	}
	if m.Subject != "" {
		s += fmt.Sprintf(" %s, %s", nameOf(m.Subject), m.Evidence)
	}
	if m.Report != nil {
		s += fmt.Sprintf(" (%s) %s", m.Report.Kind, m.Report.Text)
	}
	if m.Digest != nil {
		s += " with digest"
	}
	return s
}
