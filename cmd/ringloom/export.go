package main

import (
	"fmt"
	"io"
	"path/filepath"
	"strconv"

	"github.com/spf13/cobra"

	"ringloom/nn/purego"
	"ringloom/onnx"
	"ringloom/report"
	"ringloom/run"
)

// dynamicBatch is the value of --batch that leaves the number of images open.
const dynamicBatch = "dynamic"

// maxExportBatch is more than anybody infers at once, and few enough that no reader's arithmetic overflows.
const maxExportBatch = 1 << 20

func exportCommand() *cobra.Command {
	var model, init, output, batch string
	cmd := &cobra.Command{
		Use:   "export --init FILE --output FILE.onnx [flags]",
		Short: "Write a checkpoint as an ONNX file for inference elsewhere",
		Long: `Write a checkpoint's network and parameters as an ONNX file (operator set 13). Its input is "input"
[batch, 1, side, side], grey images with values from 0 to 1, resized as 'ringloom evaluate --pixels' shows; its output
is "logits" [batch, 10]. Batch norm uses its running moments; dropout is left out.`,
		Example: `  ringloom export --init runs/<run>/best.safetensors --output lenet.onnx`,
		Args:    noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return export(cmd.OutOrStdout(), model, init, output, batch)
		},
	}
	fl := cmd.Flags()
	fl.SortFlags = false
	fl.StringVar(&init, "init", "", "the checkpoint, .safetensors (required)")
	fl.StringVar(&output, "output", "", "the file to write, .onnx (required)")
	fl.StringVar(&model, "model", "", "its network (default: the one that the checkpoint names; see 'ringloom models')")
	fl.StringVar(&batch, "batch", dynamicBatch, "number of images that the graph takes, or "+dynamicBatch+" for any")
	return cmd
}

func export(out io.Writer, model, init, output, batch string) error {
	if init == "" || filepath.Ext(output) != ".onnx" {
		return usageError{fmt.Errorf("--init %q --output %q: give a checkpoint and a file whose name ends in .onnx", init, output)}
	}
	images := 0
	if batch != dynamicBatch {
		var err error
		if images, err = strconv.Atoi(batch); err != nil || images < 1 || images > maxExportBatch {
			return usageError{fmt.Errorf("--batch %q: give a number from 1 to %d, or %s", batch, maxExportBatch, dynamicBatch)}
		}
	}
	if err := checkOutput("output", output); err != nil {
		return usageError{err}
	}
	checkpoint, err := run.ReadInitial(init)
	if err != nil {
		return err
	}
	spec, err := checkpoint.Model(model)
	if err != nil {
		return err
	}
	memory := purego.New()
	defer memory.Close()
	params, err := checkpoint.Params(spec, memory)
	if err != nil {
		return err
	}
	info, err := spec.Inspect()
	if err != nil {
		return err
	}
	values := map[string][]float32{}
	for _, t := range run.StateDict(params, 0) {
		values[t.Name] = t.Data
	}
	c := onnx.Config{
		Name: spec.Name, Version: version, Info: info, Side: spec.InputSide, Batch: images,
		Value: func(name string) []float32 { return values[name] },
		Metadata: map[string]string{
			"model": spec.Name, "about": spec.About, "epoch": strconv.Itoa(checkpoint.Meta().Epoch),
			"step": strconv.Itoa(checkpoint.Meta().Step), "test_accuracy": fmt.Sprint(checkpoint.Meta().TestAccuracy),
		},
	}
	if err := report.WriteFileAtomic(output, func(w io.Writer) error { return onnx.Write(w, c) }); err != nil {
		return fmt.Errorf("writing %s: %w", output, err)
	}
	fmt.Fprintf(out, "%s: %s, %d parameters, batch %s\n", output, spec.Name, info.ParamLen(), batch)
	return nil
}
