package main

import (
	"fmt"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"ringloom/models"
)

func modelsCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "models",
		Short: "List the networks: input, parameters, arithmetic per image",
		Long: `List the networks that --model takes. Input is one grey image of that side. FLOPs are those of the
forward pass of one image, a multiplication and the addition that follows it counting as two.`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
			fmt.Fprintln(w, "name\tinput\tparameters\tMFLOPs/image\tabout")
			for _, name := range models.Names() {
				info, err := models.Summary(name)
				if err != nil {
					return err
				}
				fmt.Fprintf(w, "%s\t1x%dx%d\t%d\t%.2f\t%s\n", info.Name, info.InputSide, info.InputSide,
					info.Params, float64(info.ForwardFLOPs)/1e6, info.About)
			}
			return w.Flush()
		},
	}
}
