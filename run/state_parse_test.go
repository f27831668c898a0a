package run

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"ringloom/checkpoint"
	"ringloom/models"
	"ringloom/nn/purego"
	"ringloom/report"
	"ringloom/train"
)

// craftState writes a state's file whose entry and metadata say what they like, over the tensors of an honest one.
func craftState(t testing.TB, path, entry string, meta checkpoint.Meta, model, optimizer []checkpoint.Tensor) {
	t.Helper()
	meta.Extra = map[string]string{stateKey: entry}
	err := report.WriteFileAtomic(path, func(w io.Writer) error { return checkpoint.WriteTraining(w, meta, model, optimizer) })
	if err != nil {
		t.Fatal(err)
	}
}

// honestState is the content of a state's file after a step of one rank.
func honestState(t testing.TB, change func(*train.Config)) (entry map[string]any, meta checkpoint.Meta, model, optimizer []checkpoint.Tensor) {
	t.Helper()
	c := train.DefaultConfig()
	change(&c)
	device := purego.New()
	defer device.Close()
	spec, err := models.Lookup(c.Model)
	if err != nil {
		t.Fatal(err)
	}
	params, err := spec.NewParams(device)
	if err != nil {
		t.Fatal(err)
	}
	s := train.State{Config: c, WorldSize: 1, Steps: 1, Epoch: 1, Memory: train.NewMemory(c, 1, params), Moments: make([]float32, len(params.StateValues.Host)),
		Ranks: []train.Partial{{RankEpoch: train.RankEpoch{Samples: c.GlobalBatch, StepLoss: []float64{2.3}}}}}
	block, err := json.Marshal(runState{s, "data", -1})
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(block, &entry); err != nil {
		t.Fatal(err)
	}
	return entry, checkpoint.Meta{Model: c.Model, Step: 1}, StateDict(params, 1), stateTensors(params, &s)
}

func marshal(t testing.TB, entry map[string]any) string {
	t.Helper()
	block, err := json.Marshal(entry)
	if err != nil {
		t.Fatal(err)
	}
	return string(block)
}

// openAndTry is all that is done with a file before the run begins.
func openAndTry(path string) error {
	r, err := OpenResumption(path)
	if err != nil || !r.Here() {
		return err
	}
	if _, err := r.check(r.Config(), r.run.Data, 60000); err != nil {
		return err
	}
	return r.try()
}

// A crafted state is refused before anything is made of what it says of itself.
func TestCraftedStatesAreRefused(t *testing.T) {
	needWhole(t)
	const memory = 64 << 20 // lenet and its memory take one
	path := filepath.Join(t.TempDir(), "crafted")
	none := func(*train.Config) {}
	batchNorm := func(c *train.Config) { c.Model = "googlenet-bn" }
	int8 := func(c *train.Config) { c.Wire = "int8" }
	part := func(change map[string]any) func(map[string]any) {
		return func(e map[string]any) {
			of := e["ranks"].([]any)[0].(map[string]any)["rank_epoch"].(map[string]any)
			for key, value := range change {
				of[key] = value
			}
		}
	}
	set := func(key string, value any) func(map[string]any) { return func(e map[string]any) { e[key] = value } }
	setting := func(field string, value any) func(map[string]any) {
		return func(e map[string]any) { e["config"].(map[string]any)[field] = value }
	}
	for name, c := range map[string]struct {
		config func(*train.Config)
		craft  func(map[string]any)
		says   string
	}{
		"no rank":          {none, set("world_size", 0), "more than 0 ranks"},
		"ranks below zero": {batchNorm, set("world_size", -1), "ranks"},
		"a million ranks": {int8, func(e map[string]any) {
			e["world_size"], e["epoch"], e["ranks"] = 1_000_000, 2, nil
			setting("GlobalBatch", 1_000_000)(e)
		}, "residuals of 1 ranks"},
		"moments of a few": {batchNorm, func(e map[string]any) {
			e["world_size"], e["epoch"], e["ranks"] = 200, 2, nil
			setting("GlobalBatch", 60_000)(e)
		}, "running moments of each of the 200 ranks"},
		"ranks beyond all":    {batchNorm, set("world_size", int64(1)<<62), "ranks"},
		"steps below zero":    {none, set("steps", int64(-1)<<62), "step -4611686018427387904"},
		"steps beyond all":    {none, set("steps", int64(1)<<62), "at step"},
		"another step":        {none, set("steps", 2), "at step 2"},
		"epoch zero":          {none, set("epoch", 0), "epoch 0"},
		"a later epoch":       {none, set("epoch", 2), "epoch 2"},
		"no part":             {none, set("ranks", []any{}), "0 steps"},
		"parts of two":        {none, func(e map[string]any) { e["ranks"] = append(e["ranks"].([]any), e["ranks"].([]any)[0]) }, "more than 1 ranks"},
		"another's part":      {none, part(map[string]any{"rank": 7}), "rank 7"},
		"more right than all": {none, part(map[string]any{"correct": 1000}), "1000 of 256"},
		"samples below zero":  {none, part(map[string]any{"samples": -1}), "of -1 samples"},
		"more losses":         {none, part(map[string]any{"step_loss": make([]float64, 3)}), "with 3 steps"},
		"no model":            {none, setting("Model", "lenet-6"), "lenet-6"},
		"another model":       {none, setting("Model", "vgg11"), "vgg11"},
		"no batch":            {none, setting("GlobalBatch", 0), "GlobalBatch 0"},
		"epochs beyond all":   {none, setting("Epochs", int64(1)<<62), "epochs"},
		"no rate":             {none, setting("LearningRate", -1), "LearningRate"},
		"no optimizer":        {none, setting("Optimizer", "x"), "Optimizer"},
		"the other optimizer": {none, setting("Optimizer", "sgd"), "exp_avg"},
		"best beyond all":     {none, set("best", 2), "accuracies"},
		"ranks that are none": {none, set("ranks", "x"), "no list"},
	} {
		entry, meta, model, optimizer := honestState(t, c.config)
		if craftState(t, path, marshal(t, entry), meta, model, optimizer); openAndTry(path) != nil {
			t.Fatalf("%s: the honest state is refused: %v", name, openAndTry(path))
		}
		c.craft(entry)
		craftState(t, path, marshal(t, entry), meta, model, optimizer)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		err := openAndTry(path)
		runtime.ReadMemStats(&after)
		if !errors.As(err, new(DataError)) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: got %v, want %q", name, err, c.says)
		}
		if took := after.TotalAlloc - before.TotalAlloc; meta.Model == "lenet" && took > memory {
			t.Errorf("%s: takes %d bytes", name, took)
		}
	}
}

// Many ranks' parts in little text are not made before there are too many of them.
func TestPartsAreReadOneByOne(t *testing.T) {
	var s runState
	var before, after runtime.MemStats
	text := []byte(`{"world_size":2,"ranks":[` + strings.Repeat("{},", 1<<20) + `{}]}`)
	runtime.ReadMemStats(&before)
	err := s.parse(text)
	runtime.ReadMemStats(&after)
	if err == nil || !strings.Contains(err.Error(), "more than 2 ranks") {
		t.Errorf("got %v", err)
	}
	if took := after.TotalAlloc - before.TotalAlloc; took > 4*uint64(len(text)) {
		t.Errorf("%d bytes of text take %d", len(text), took)
	}
}

func TestVariancesOfAStateAreNotNegative(t *testing.T) {
	path := filepath.Join(t.TempDir(), "negative")
	entry, meta, model, optimizer := honestState(t, func(c *train.Config) { c.Model = "googlenet-bn" })
	for i := range optimizer {
		if optimizer[i].Name == momentsName {
			optimizer[i].Data[len(optimizer[i].Data)-1] = -0.5 // the last layer's variance
		}
	}
	craftState(t, path, marshal(t, entry), meta, model, optimizer)
	if err := openAndTry(path); err == nil || !strings.Contains(err.Error(), "rank 0 has a negative") {
		t.Errorf("got %v", err)
	}
}

// FuzzOpenResumption takes a whole file, or the entry of one whose tensors are a LeNet's; neither may panic or take memory that the
// file does not.
func FuzzOpenResumption(f *testing.F) {
	entry, meta, model, optimizer := honestState(f, func(*train.Config) {})
	honest := marshal(f, entry)
	f.Add([]byte(nil), honest, 1)
	f.Add([]byte(nil), strings.Replace(honest, `"world_size":1`, `"world_size":-1`, 1), 1)
	f.Add([]byte(nil), strings.Replace(honest, `"Wire":"float32"`, `"Wire":"int8"`, 1), 1)
	f.Add([]byte(nil), strings.Replace(honest, `"PowerSGD":0`, `"PowerSGD":2`, 1), -4)
	f.Add([]byte(nil), strings.Replace(honest, `"steps":1`, `"steps":-4611686018427387904`, 1), 1<<62)
	var small bytes.Buffer
	meta.Extra = map[string]string{stateKey: honest}
	if err := checkpoint.WriteTraining(&small, meta, nil, nil); err != nil {
		f.Fatal(err)
	}
	f.Add(small.Bytes(), "", 0)
	path := filepath.Join(f.TempDir(), "state")
	f.Fuzz(func(t *testing.T, file []byte, entry string, step int) {
		if len(file) == 0 {
			var whole bytes.Buffer
			meta := checkpoint.Meta{Model: "lenet", Step: step, Extra: map[string]string{stateKey: strings.ToValidUTF8(entry, "")}}
			if err := checkpoint.WriteTraining(&whole, meta, model, optimizer); err != nil {
				t.Fatal(err)
			}
			file = whole.Bytes()
		}
		if err := os.WriteFile(path, file, 0o600); err != nil {
			t.Fatal(err)
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		if err := openAndTry(path); err != nil && !errors.As(err, new(DataError)) && !errors.As(err, new(UsageError)) {
			t.Errorf("an error of another kind: %v", err)
		}
		runtime.ReadMemStats(&after)
		if took := after.TotalAlloc - before.TotalAlloc; took > 64<<20 {
			t.Errorf("it takes %d bytes", took)
		}
	})
}
