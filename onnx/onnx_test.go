package onnx_test

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"

	"ringloom/models"
	"ringloom/nn"
	"ringloom/onnx"
)

// fields takes a message apart: the raw values of each field, in order. A varint's is its encoding.
func fields(t *testing.T, m []byte) map[protowire.Number][][]byte {
	t.Helper()
	found := map[protowire.Number][][]byte{}
	for len(m) > 0 {
		number, kind, n := protowire.ConsumeTag(m)
		if n < 0 {
			t.Fatal(protowire.ParseError(n))
		}
		m = m[n:]
		if n = protowire.ConsumeFieldValue(number, kind, m); n < 0 {
			t.Fatal(protowire.ParseError(n))
		}
		value := m[:n]
		if kind == protowire.BytesType {
			value, _ = protowire.ConsumeBytes(value)
		}
		found[number] = append(found[number], value)
		m = m[n:]
	}
	return found
}

func integer(b []byte) int {
	v, _ := protowire.ConsumeVarint(b)
	return int(v)
}

func texts(values [][]byte) (list []string) {
	for _, v := range values {
		list = append(list, string(v))
	}
	return list
}

func integers(values [][]byte) (list []int) {
	for _, v := range values {
		list = append(list, integer(v))
	}
	return list
}

// Fresh memory for up to 500 MB a model takes longer than everything else, so there is one copy of the values, which
// are zero, and one of the file that write has made last.
var (
	zeros []float32
	file  appender
)

// config is a model with all values zero.
func config(t *testing.T, name string, batch int) onnx.Config {
	t.Helper()
	spec, err := models.Lookup(name)
	if err != nil {
		t.Fatal(err)
	}
	info, err := nn.Inspect(spec.InputSide, spec.Build)
	if err != nil {
		t.Fatal(err)
	}
	values := map[string][]float32{}
	for _, p := range slices.Concat(info.Params, info.State) {
		if len(zeros) < p.Len {
			zeros = make([]float32, p.Len)
		}
		values[p.Name] = zeros[:p.Len]
	}
	return onnx.Config{
		Name: name, Version: "test", Info: info, Side: spec.InputSide, Batch: batch,
		Value: func(name string) []float32 { return values[name] }, Metadata: map[string]string{"model": name},
	}
}

type appender []byte

func (a *appender) Write(b []byte) (int, error) {
	*a = append(*a, b...)
	return len(b), nil
}

// write returns the file of a model, which is good until the next.
func write(t *testing.T, c onnx.Config) []byte {
	t.Helper()
	size := 1 << 20 // of the nodes
	for _, p := range slices.Concat(c.Info.Params, c.Info.State) {
		size += 4 * p.Len
	}
	if file = file[:0]; cap(file) < size {
		file = make([]byte, 0, size)
	}
	if err := onnx.Write(&file, c); err != nil {
		t.Fatal(err)
	}
	return file
}

// Every model's graph is one that a reader takes: sorted, complete, with initializers as long as their shapes say.
func TestEveryModelIsAWholeGraph(t *testing.T) {
	for _, name := range models.Names() {
		if testing.Short() && strings.HasPrefix(name, "vgg11") {
			continue // 500 MB
		}
		t.Run(name, func(t *testing.T) {
			c := config(t, name, 0)
			graph := fields(t, fields(t, write(t, c))[7][0])
			known := map[string]bool{"input": true}
			unused := map[string]bool{}
			for i, raw := range graph[5] {
				tensor := fields(t, raw)
				p := slices.Concat(c.Info.Params, c.Info.State)[i]
				if got := string(tensor[8][0]); got != p.Name {
					t.Errorf("initializer %d is %s, want %s", i, got, p.Name)
				}
				if dims := integers(tensor[1]); !slices.Equal(dims, p.Shape) || len(tensor[9][0]) != 4*p.Len {
					t.Errorf("%s has dims %v and %d bytes, want %v and %d", p.Name, dims, len(tensor[9][0]), p.Shape, 4*p.Len)
				}
				known[p.Name], unused[p.Name] = true, true
			}
			last := ""
			for _, raw := range graph[1] {
				n := fields(t, raw)
				for _, input := range texts(n[1]) {
					if !known[input] {
						t.Errorf("node %s reads %s before it is there", n[3][0], input)
					}
					delete(unused, input)
				}
				last = string(n[2][0])
				if known[last] {
					t.Errorf("%s is made twice", last)
				}
				known[last], unused[last] = true, true
			}
			if last != "logits" || len(unused) != 1 {
				t.Errorf("the last node makes %s; unused: %v", last, unused)
			}
		})
	}
}

func TestLenetAsNodes(t *testing.T) {
	model := fields(t, write(t, config(t, "lenet", 3)))
	if ir, opset := integer(model[1][0]), integer(fields(t, model[8][0])[2][0]); ir != 7 || opset != 13 {
		t.Errorf("IR version %d, operator set %d", ir, opset)
	}
	graph := fields(t, model[7][0])
	var got []string
	for _, raw := range graph[1] {
		n := fields(t, raw)
		line := fmt.Sprintf("%s %s -> %s", n[4][0], strings.Join(texts(n[1]), ","), n[2][0])
		for _, a := range n[5] {
			attribute := fields(t, a)
			line += fmt.Sprintf(" %s%v", attribute[1][0], integers(slices.Concat(attribute[3], attribute[8])))
		}
		got = append(got, line)
	}
	want := []string{
		"Conv input,0.weight,0.bias -> 0 kernel_shape[5 5] strides[1 1] pads[2 2 2 2]",
		"Sigmoid 0 -> 1",
		"AveragePool 1 -> 2 kernel_shape[2 2] strides[2 2] pads[0 0 0 0] count_include_pad[1]",
		"Conv 2,3.weight,3.bias -> 3 kernel_shape[5 5] strides[1 1] pads[0 0 0 0]",
		"Sigmoid 3 -> 4",
		"AveragePool 4 -> 5 kernel_shape[2 2] strides[2 2] pads[0 0 0 0] count_include_pad[1]",
		"Flatten 5 -> 6 axis[1]",
		"Gemm 6,7.weight,7.bias -> 7 transB[1]",
		"Sigmoid 7 -> 8",
		"Gemm 8,9.weight,9.bias -> 9 transB[1]",
		"Sigmoid 9 -> 10",
		"Gemm 10,11.weight,11.bias -> logits transB[1]",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	shape := func(value []byte) (dims []int) {
		tensor := fields(t, fields(t, fields(t, value)[2][0])[1][0])
		for _, dim := range fields(t, tensor[2][0])[1] {
			dims = append(dims, integer(fields(t, dim)[1][0]))
		}
		return dims
	}
	if in, out := shape(graph[11][0]), shape(graph[12][0]); !slices.Equal(in, []int{3, 1, 28, 28}) || !slices.Equal(out, []int{3, 10}) {
		t.Errorf("input %v, output %v", in, out)
	}
}

func TestWhatCannotBeWritten(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*onnx.Config)
		says   string
	}{
		"values": {func(c *onnx.Config) { c.Value = func(string) []float32 { return make([]float32, 5) } }, "tensor 0.weight of shape [6 1 5 5] has 5 elements"},
		"layer":  {func(c *onnx.Config) { c.Info.Layers[1].Class, c.Info.Layers[1].Spec = "GELU", nil }, "layer 1 (GELU): there is no ONNX operator"},
		"names":  {func(c *onnx.Config) { c.Info.Layers[1].Module = "0" }, "two layers are called 0"},
		"empty":  {func(c *onnx.Config) { c.Info.Layers = nil }, "no layers"},
	} {
		config := config(t, "lenet", 0)
		config.Info.Layers = slices.Clone(config.Info.Layers)
		c.change(&config)
		var b bytes.Buffer
		if err := onnx.Write(&b, config); err == nil || !strings.Contains(err.Error(), c.says) || b.Len() != 0 {
			t.Errorf("%s: got %v after %d bytes, want %q", name, err, b.Len(), c.says)
		}
	}
	full := errors.New("full")
	if err := onnx.Write(failing{full}, config(t, "lenet", 0)); !errors.Is(err, full) {
		t.Errorf("a writer that fails: got %v", err)
	}
}

// failing is a writer that takes nothing.
type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }
