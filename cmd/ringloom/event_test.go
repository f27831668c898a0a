package main

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"ringloom/cluster"
	"ringloom/report"
	"ringloom/run"
	"ringloom/train"
)

// anEpoch of two ranks, with the view and what both say.
func anEpoch(rank int) []run.Event {
	view := cluster.View{Generation: 1, Rank: rank, Members: []cluster.Member{{Name: "a", Device: "cpu"}, {Name: "b", Device: "cpu"}}}
	ranks := []train.RankEpoch{{Samples: 10, Timing: train.Timing{Total: 1}}, {Samples: 20, Timing: train.Timing{Total: 1}}}
	return []run.Event{
		run.Joined{View: view},
		run.Training{View: view, Config: train.DefaultConfig(), RunDir: "runs/x"},
		run.Step{Step: train.Step{Epoch: 1, Step: 1, Steps: 2, Loss: 2.5}},
		run.Epoch{Epoch: train.Epoch{Number: 1, Loss: 0.5, Ranks: ranks}},
		run.Finished{Result: run.Result{Rank: rank, RunDir: "runs/x", BestAccuracy: 0.75, ParametersSHA256: "abcd"}},
	}
}

func TestTheLeadersTerminalShowsTheRun(t *testing.T) {
	for rank, want := range []string{"epoch 1, loss 0.5000", ""} {
		var out, log bytes.Buffer
		terminal := &eventTerminal{out: &out, log: &log}
		for _, e := range anEpoch(rank) {
			terminal.take(e)
		}
		if rank > 0 {
			if out.Len()+log.Len() > 0 {
				t.Errorf("rank %d prints\n%s%s", rank, &out, &log)
			}
			continue
		}
		for _, says := range []string{want, "sum, mean        30", "run runs/x: final test acc 0.000, best 0.750; parameters sha256 abcd\n"} {
			if !strings.Contains(out.String(), says) {
				t.Errorf("%q is not in\n%s", says, &out)
			}
		}
		if log.String() != "epoch 1  step 1/2  loss 2.5000\n" {
			t.Errorf("the progress is %q", &log)
		}
	}
}

// What is logged while the run has a directory is in this rank's file there, from the debug level up.
func TestTheLogIsInTheRunDirectory(t *testing.T) {
	var out, file bytes.Buffer
	l := &eventLog{out: &out, Logger: report.NewLogger(&out, false, false, nil)}
	l.take(run.Looking{Address: "127.0.0.1:1", Expected: 2})
	l.take(run.Recording{Dir: "runs/x", Log: &file})
	for _, e := range anEpoch(0) {
		l.take(e)
	}
	l.take(run.Checkpoint{File: "runs/x/state", Step: 2})
	l.take(run.RecordClosed{})
	l.take(run.Stopped{Err: errors.New("nobody hears of it")})
	for text, want := range map[string][2]bool{ // in out, in file
		`"looking for the other nodes","address":"127.0.0.1:1","expected":2}`: {true, false},
		`"msg":"training","rank":0,"world_size":2,"view":1,"model":"lenet"`:   {true, true},
		`"msg":"finished","rank":0,"steps":0,"parameters_sha256":"abcd"}`:     {true, true},
		`"msg":"kept the run's state","file":"runs/x/state","step":2`:         {false, true},
		`this rank stopped`: {false, false},
	} {
		if got := [2]bool{strings.Contains(out.String(), text), strings.Contains(file.String(), text)}; got != want {
			t.Errorf("%s: in standard error and file %v, want %v\n%s\n%s", text, got, want, &out, &file)
		}
	}
}
