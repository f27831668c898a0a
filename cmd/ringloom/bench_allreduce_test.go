package main

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"ringloom/allreduce/codec"
	"ringloom/allreduce/natsring"
	"ringloom/bench/collective"
)

var smallSweep = []string{"--min-bytes", "64", "--max-bytes", "64KiB", "--factor", "32", "--warmup", "1", "--iters", "2"}

// The names and units of the JSON form are part of the command's interface: the help must name every one.
func TestBenchAllReduceDocumentsItsFields(t *testing.T) {
	long := benchAllReduceCommand().Long
	for _, form := range []reflect.Type{reflect.TypeFor[collective.Record](), reflect.TypeFor[collective.Setting](), reflect.TypeFor[collective.End]()} {
		for i := range form.NumField() {
			if form.Field(i).Anonymous {
				continue
			}
			if name := form.Field(i).Tag.Get("json"); name == "" || !strings.Contains(long, name) {
				t.Errorf("the help does not mention %s (%q)", form.Field(i).Name, name)
			}
		}
	}
}

// decodeSweep reads what --json prints.
func decodeSweep(t *testing.T, output string) (rows []collective.Record, end collective.End) {
	t.Helper()
	lines := strings.Split(strings.TrimSpace(output), "\n")
	for i, line := range lines {
		decoder := json.NewDecoder(strings.NewReader(line))
		decoder.DisallowUnknownFields()
		var err error
		if i == len(lines)-1 {
			err = decoder.Decode(&end)
		} else {
			rows = append(rows, collective.Record{})
			err = decoder.Decode(&rows[i])
		}
		if err != nil {
			t.Fatalf("line %d: %v:\n%s", i+1, err, output)
		}
	}
	return rows, end
}

func TestBenchAllReduceOfProcessesAndInMemory(t *testing.T) {
	for _, transport := range []string{"nats", "memory"} {
		args := append([]string{"bench", "allreduce", "-n", "3", "--transport", transport, "--chunk-bytes", "4KiB", "--window-bytes", "16KiB", "--rings", "2"}, smallSweep...)
		code, output, _ := ringloom(t, append(args, "--json")...)
		if code != 0 {
			t.Fatalf("%s: exit code %d:\n%s", transport, code, output)
		}
		rows, end := decodeSweep(t, output)
		if len(rows) != 3 || end.Sizes != 3 || end.Wrong != 0 || end.AverageBusBytes <= 0 {
			t.Errorf("%s: %d rows, %+v", transport, len(rows), end)
		}
		r := rows[2]
		if r.Bytes != 65536 || r.Count != 16384 || r.Ranks != 3 || r.Hosts != 1 || r.Transport != transport || r.ChunkBytes != 4096 || r.WindowBytes != 16384 || r.Rings != 2 || r.Path == "" {
			t.Errorf("%s: %+v", transport, r)
		}
		if *r.OutIterations != 2 || *r.OutSeconds < *r.OutMinSeconds || *r.InMinSeconds <= 0 || *r.InBusBytes <= *r.InAlgBytes {
			t.Errorf("%s: %s", transport, output)
		}
	}
}

func TestBenchAllReduceInEveryFormat(t *testing.T) {
	for _, format := range codec.Formats() {
		args := append([]string{"bench", "allreduce", "-n", "4", "--transport", "memory", "--json", "--wire", format.String()}, smallSweep...)
		code, output, _ := ringloom(t, args...)
		if rows, end := decodeSweep(t, output); code != 0 || end.Wrong != 0 || rows[0].Wire != format.String() {
			t.Errorf("%v: exit code %d:\n%s", format, code, output)
		}
	}
}

func TestBenchAllReducePrintsTables(t *testing.T) {
	args := append([]string{"bench", "allreduce", "--transport", "memory"}, smallSweep...)
	code, output, _ := ringloom(t, args...)
	if code != 0 || !strings.Contains(output, "busbw") || !strings.Contains(output, "# wrong values: 0") {
		t.Errorf("exit code %d:\n%s", code, output)
	}
	code, output, _ = ringloom(t, append(args, "--csv", "--op", "reduce-scatter")...)
	table, err := csv.NewReader(strings.NewReader(output)).ReadAll()
	if code != 0 || err != nil || len(table) != 4 || table[0][0] != "op" || table[3][0] != "reduce-scatter" {
		t.Errorf("exit code %d, %v:\n%s", code, err, output)
	}
}

// benchRanks starts n separate ranks that find each other by the first one's address.
func benchRanks(t *testing.T, n int, common []string, last ...string) []*process {
	t.Helper()
	args := append([]string{"bench", "allreduce", "--expect", fmt.Sprint(n), "--bind", "127.0.0.1:0", "--log", "json"}, common...)
	ranks := []*process{start(t, t.TempDir(), args...)}
	address := ranks[0].waitFor(`"looking for the other nodes","address":"([^"]+)"`)[1]
	for r := 1; r < n; r++ {
		more := append(args[:len(args):len(args)], "--join", address)
		if r == n-1 {
			more = append(more, last...)
		}
		ranks = append(ranks, start(t, t.TempDir(), more...))
	}
	return ranks
}

func TestBenchAllReduceAcrossACluster(t *testing.T) {
	ranks := benchRanks(t, 2, append([]string{"--op", "broadcast"}, smallSweep...))
	for _, p := range ranks {
		p.wantExit(0)
	}
	ranks[0].waitFor(`# ringloom \S+: broadcast, 2 ranks on this machine`)
	if text, _ := ranks[1].text(); strings.Contains(text, "busbw") {
		t.Errorf("rank 1 prints as well:\n%s", text)
	}
}

func TestBenchAllReduceRefusesAnotherChunk(t *testing.T) {
	ranks := benchRanks(t, 2, smallSweep, "--chunk-bytes", "8KiB")
	ranks[1].wantExit(exitCluster, "chunk bytes: here 8KiB", "256KiB")
}

// An external server with a lower limit than the chunk needs: every rank says so by itself, before it waits for others.
func TestBenchAllReduceNamesTheChunkThatNATSRefuses(t *testing.T) {
	cfg := natsring.DefaultServerConfig()
	cfg.Host, cfg.MaxPayloadBytes = "127.0.0.1", 64<<10
	server, err := natsring.StartServer(cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	for _, command := range []string{"allreduce", "scaling"} {
		args := []string{"bench", command, "--expect", "2", "--bind", "127.0.0.1:0", "--nats", fmt.Sprintf("nats://127.0.0.1:%d", server.Port())}
		start(t, t.TempDir(), args...).wantExit(exitUsage, "--chunk-bytes 262144", "65536")
	}
}

func TestAWrongValueFailsTheCommand(t *testing.T) {
	if err := verdict(collective.AllReduce, collective.Summary{Sizes: 3}); err != nil {
		t.Error(err)
	}
	if err := verdict(collective.AllReduce, collective.Summary{Sizes: 3, WrongValues: 2}); err == nil || exitCode(err) != exitFailed {
		t.Errorf("got %v", err)
	}
}

func TestMistakesInBenchAllReduce(t *testing.T) {
	for _, c := range []struct {
		args []string
		says string
	}{
		{[]string{"-n", "1"}, "-n 1"},
		{[]string{"--expect", "1"}, "--expect 1"},
		{[]string{"-n", "2", "--expect", "2"}, "-n and --expect exclude each other"},
		{[]string{"--join", "127.0.0.1"}, "--join has no effect without --expect"},
		{[]string{"--chunk-bytes", "9MiB"}, "--chunk-bytes 9437184"},
		{[]string{"--chunk-bytes", "6"}, "--chunk-bytes 6"},
		{[]string{"--window-bytes", "256KiB"}, "--window-bytes 262144: give at least two chunks"},
		{[]string{"--rings", "0"}, "--rings 0"},
		{[]string{"--rings", "65"}, "--rings 65"},
		{[]string{"--min-bytes", "6"}, "--min-bytes 6"},
		{[]string{"--max-bytes", "lots"}, `"lots" is no size`},
		{[]string{"--max-bytes", "512"}, "below --min-bytes"},
		{[]string{"--factor", "1"}, "--factor 1"},
		{[]string{"--iters", "0"}, "--iters 0"},
		{[]string{"--wire", "float64"}, "--wire \"float64\": choose one of float32, bf16"},
		{[]string{"--wire", "bf16", "--op", "all-gather"}, "--wire bf16 has no effect with --op all-gather"},
		{[]string{"--op", "scatter"}, `--op "scatter"`},
		{[]string{"--transport", "pigeon"}, `--transport "pigeon"`},
		{[]string{"--transport", "memory", "--expect", "2"}, "-n instead"},
		{[]string{"--transport", "memory", "--nats", "nats://127.0.0.1:4222"}, "--nats has no effect"},
		{[]string{"--json", "--csv"}, "exclude each other"},
		{[]string{"--log", "xml", "--expect", "2"}, "--log"},
	} {
		code, output, last := ringloom(t, append([]string{"bench", "allreduce"}, c.args...)...)
		if code != exitUsage || !strings.Contains(last, c.says) || strings.Count(output, "\n") != 1 {
			t.Errorf("%v: exit code %d, %q; want %d, one line, and %q", c.args, code, output, exitUsage, c.says)
		}
	}
}
