package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"ringloom/nn/cuda"
	"ringloom/nn/cuda/driver"
	"ringloom/nn/onednn"
	"ringloom/nn/purego"
)

func devicesCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "devices",
		Short: "List what can train here: processor, GPUs; and why not where it cannot",
		Long: `List the devices that --device takes: cpu (oneDNN), purego (the slow reference) and each GPU, cuda:0 and so on; one
that cannot be used has the reason and what to do. The free memory of a GPU is what is left once this command has opened
it, as training does.

With --json, one object a line: device, usable, about (what it is) or problem (why it cannot be used); of a GPU also
name, uuid, memory_bytes, free_bytes, compute_capability, multiprocessors and driver_cuda (the newest CUDA that its driver
knows).`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return printDevices(cmd.OutOrStdout(), append(hostDevices(), gpuDevices()...), asJSON)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object a line")
	return cmd
}

// deviceRow is a line of the list.
type deviceRow struct {
	Device  string `json:"device"`
	Usable  bool   `json:"usable"`
	About   string `json:"about,omitempty"`
	Problem string `json:"problem,omitempty"`
	*gpuFacts
}

type gpuFacts struct {
	Name              string `json:"name"`
	UUID              string `json:"uuid"`
	MemoryBytes       int64  `json:"memory_bytes"`
	FreeBytes         int64  `json:"free_bytes"`
	ComputeCapability string `json:"compute_capability"`
	Multiprocessors   int    `json:"multiprocessors"`
	DriverCUDA        string `json:"driver_cuda"`
}

func hostDevices() []deviceRow {
	cpu := deviceRow{Device: "cpu"}
	if d, err := onednn.New(onednn.Options{}); err != nil {
		cpu.Problem = err.Error()
	} else {
		cpu.Usable, cpu.About = true, d.Description()
		d.Close()
	}
	reference := purego.New()
	defer reference.Close()
	return []deviceRow{cpu, {Device: "purego", Usable: true, About: reference.Description()}}
}

// gpuDevices is one line that says why where there is no GPU.
func gpuDevices() []deviceRow {
	infos, err := driver.Devices()
	if err != nil {
		return []deviceRow{{Device: "cuda", Problem: err.Error()}}
	}
	if len(infos) == 0 {
		return []deviceRow{{Device: "cuda", Problem: "the driver shows no GPU (nvidia-smi lists them, CUDA_VISIBLE_DEVICES may hide some)"}}
	}
	missing := cuda.Available() // a library that training needs beside the driver
	var rows []deviceRow
	for _, info := range infos {
		row := deviceRow{Device: fmt.Sprintf("cuda:%d", info.Ordinal), gpuFacts: &gpuFacts{
			Name: info.Name, UUID: info.UUID, MemoryBytes: info.MemoryBytes, Multiprocessors: info.Multiprocessors,
			ComputeCapability: fmt.Sprintf("%d.%d", info.Major, info.Minor),
			DriverCUDA:        fmt.Sprintf("%d.%d", info.DriverVersion/1000, info.DriverVersion%1000/10),
		}}
		if row.FreeBytes, err = driver.FreeMemory(info.Ordinal); err != nil {
			row.Problem = err.Error()
		} else {
			if row.Usable = missing == nil; !row.Usable {
				row.Problem = missing.Error()
			}
			row.About = fmt.Sprintf("%s, %s, %.1f GiB, %.1f free, compute capability %s, %d multiprocessors, driver for CUDA %s",
				row.Name, row.UUID, gib(row.MemoryBytes), gib(row.FreeBytes), row.ComputeCapability, row.Multiprocessors, row.DriverCUDA)
		}
		rows = append(rows, row)
	}
	return rows
}

func gib(bytes int64) float64 { return float64(bytes) / (1 << 30) }

func printDevices(out io.Writer, rows []deviceRow, asJSON bool) error {
	if asJSON {
		lines := json.NewEncoder(out)
		for _, r := range rows {
			if err := lines.Encode(r); err != nil {
				return err
			}
		}
		return nil
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "device\tusable\tabout")
	for _, r := range rows {
		usable, about := "yes", r.About
		if !r.Usable {
			usable, about = "no", strings.Join(strings.Fields(r.Problem), " ")
			if r.About != "" {
				about = r.About + ": " + about
			}
		}
		fmt.Fprintf(w, "%s\t%s\t%s\n", r.Device, usable, about)
	}
	return w.Flush()
}
