package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"ringloom/models"
	"ringloom/nn"
	"ringloom/nn/exec"
	"ringloom/nn/op"
)

func modelsCommand() *cobra.Command {
	var describe string
	var batch int
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "models",
		Short: "List the networks: input, parameters, arithmetic, memory; or one's layers",
		Long: `List the networks that --model takes. Input is one grey image of that side. MFLOPs are per image, of a forward
pass and of a whole training step: a multiplication and the addition that follows it count as two, and only
convolutions and linear layers count. Activations are the memory that all intermediate results of a training step
share at --batch images. With --json, one object a line: model, about, input_side (pixels), parameters (scalars),
forward_flops and training_flops (per image), batch, activation_bytes.

With --describe, print the layers of one network instead, each with its parameters, the arithmetic of its forward
pass and the shape of its output for one image, in PyTorch's order (images, channels, height, width).`,
		Example: `  ringloom models --batch 128
  ringloom models --describe alexnet`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if batch < 1 {
				return usageError{fmt.Errorf("--batch %d: at least one image is needed", batch)}
			}
			if asJSON && describe != "" {
				return usageError{errors.New("--json and --describe exclude each other")}
			}
			if describe == "" {
				return listModels(cmd.OutOrStdout(), batch, asJSON)
			}
			model, err := models.Lookup(describe)
			if err != nil {
				return usageError{fmt.Errorf("--describe: %w", err)}
			}
			return describeModel(cmd.OutOrStdout(), model, batch)
		},
	}
	cmd.Flags().StringVar(&describe, "describe", "", "print the layers of this network")
	cmd.Flags().IntVar(&batch, "batch", 64, "images of the training step whose activations are counted")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object a line")
	return cmd
}

// modelRow is a line of the list.
type modelRow struct {
	Model           string `json:"model"`
	About           string `json:"about"`
	InputSide       int    `json:"input_side"`
	Parameters      int    `json:"parameters"`
	ForwardFLOPs    int64  `json:"forward_flops"`
	TrainingFLOPs   int64  `json:"training_flops"`
	Batch           int    `json:"batch"`
	ActivationBytes int64  `json:"activation_bytes"`
}

func listModels(out io.Writer, batch int, asJSON bool) error {
	var rows []modelRow
	for _, name := range models.Names() {
		model, err := models.Lookup(name)
		if err != nil {
			return err
		}
		info, bytes, err := inspectModel(model, batch)
		if err != nil {
			return err
		}
		rows = append(rows, modelRow{
			name, model.About, model.InputSide, info.ParamLen(), info.ForwardFLOPs, trainingFLOPs(info.Layers), batch, bytes,
		})
	}
	if asJSON {
		lines := json.NewEncoder(out)
		for _, r := range rows {
			if err := lines.Encode(r); err != nil {
				return err
			}
		}
		return nil
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "input\tparameters\tforward MFLOPs\ttraining MFLOPs\tactivations MiB\t  name")
	for _, r := range rows {
		fmt.Fprintf(w, "1 x %d x %d\t%d\t%.2f\t%.2f\t%.1f\t  %s: %s\n", r.InputSide, r.InputSide, r.Parameters,
			float64(r.ForwardFLOPs)/1e6, float64(r.TrainingFLOPs)/1e6, float64(r.ActivationBytes)/(1<<20), r.Model, r.About)
	}
	return w.Flush()
}

// inspectModel also returns the bytes that the activations of a training step take.
func inspectModel(model models.Spec, batch int) (nn.Info, int64, error) {
	info, err := model.Inspect()
	if err != nil {
		return nn.Info{}, 0, err
	}
	bytes, err := exec.PlanActivations(model.Build, model.InputSide, batch, true)
	if err != nil {
		return nn.Info{}, 0, usageError{fmt.Errorf("--batch %d: %s: %w", batch, model.Name, err)}
	}
	return info, bytes, nil
}

// trainingFLOPs is the arithmetic of one image's forward and backward pass. A layer's gradients with respect to its
// weights and to its input each cost as much as its forward pass; the latter is left out where no parameter lies upstream.
func trainingFLOPs(layers []nn.Layer) int64 {
	total := int64(0)
	trained := make([]bool, len(layers)) // a parameter lies in the layer or upstream
	for i, l := range layers {
		upstream := false
		for _, in := range l.Inputs {
			upstream = upstream || in >= 0 && trained[in]
		}
		trained[i] = upstream || len(l.Params) > 0
		passes := int64(2)
		if upstream {
			passes++
		}
		total += passes * layerFLOPs(l)
	}
	return total
}

// layerFLOPs is the arithmetic of a layer's forward pass.
func layerFLOPs(l nn.Layer) int64 {
	if l.Spec == nil {
		return 0
	}
	return op.FLOPs(l.Spec)
}
