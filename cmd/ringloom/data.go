package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"sync"

	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"ringloom/data"
	"ringloom/report"
)

// datasets is Fashion-MNIST, decoded and verified.
type datasets struct {
	train, test *data.Dataset
	dir         string
	hash        string // of both, for the digest
}

// loadData finds the data set, downloading it if it must, and loads it.
func loadData(ctx context.Context, dir string, offline bool) (datasets, error) {
	source, err := findData(ctx, dir, offline)
	if err != nil {
		return datasets{}, err
	}
	train, test, err := source.Load()
	if err != nil {
		return datasets{}, dataError{err}
	}
	return datasets{train, test, source.Dir, train.Hash()[:16] + test.Hash()[:16]}, nil
}

func findData(ctx context.Context, dir string, offline bool) (*data.Source, error) {
	source, err := data.Find(ctx, data.Options{Dir: dir, Offline: offline, Progress: downloadProgress()})
	if err != nil {
		return nil, dataError{err}
	}
	return source, nil
}

// downloadProgress draws a bar a file on a terminal, and prints a line a file elsewhere.
func downloadProgress() func(file string, done, total int64) {
	var mu sync.Mutex
	bars := map[string]*progressbar.ProgressBar{}
	terminal := term.IsTerminal(int(os.Stderr.Fd()))
	return func(file string, done, total int64) {
		mu.Lock()
		defer mu.Unlock()
		bar, known := bars[file]
		if !known {
			if terminal {
				bar = progressbar.DefaultBytes(total, "downloading "+file)
			} else {
				fmt.Fprintf(os.Stderr, "downloading %s (%d bytes)\n", file, total)
			}
			bars[file] = bar
		}
		if bar != nil {
			bar.Set64(done)
		}
	}
}

func dataCommand() *cobra.Command {
	var dir, sheet string
	var offline bool
	var perClass int
	cmd := &cobra.Command{
		Use:   "data",
		Short: "Show where Fashion-MNIST is, verify it, draw a contact sheet",
		Long: `Find Fashion-MNIST (--data, $RINGLOOM_DATA, the user's cache, Debian's package dataset-fashion-mnist, else
download it into the cache), verify the SHA-256 of every file's content, and print what was found. With
--sheet also draw labelled samples of each class into a PNG.`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if perClass < 1 || perClass > 100 {
				return usageError{fmt.Errorf("--per-class %d: give a number from 1 to 100", perClass)}
			}
			source, err := findData(cmd.Context(), dir, offline)
			if err != nil {
				return err
			}
			return showData(cmd.OutOrStdout(), source, sheet, perClass)
		},
	}
	cmd.Flags().StringVar(&dir, "data", "", "folder to look in, and nowhere else")
	cmd.Flags().BoolVar(&offline, "offline", false, "never download")
	cmd.Flags().StringVar(&sheet, "sheet", "", "write a contact sheet of the training set to this PNG file")
	cmd.Flags().IntVar(&perClass, "per-class", 20, "samples of each class on the contact sheet")
	return cmd
}

func showData(out io.Writer, source *data.Source, sheet string, perClass int) error {
	fmt.Fprintf(out, "Fashion-MNIST in %s (%s)\n", source.Dir, source.Origin)
	var damaged error
	for _, s := range source.Verify() {
		verdict := "verified"
		if s.Err != nil {
			verdict, damaged = s.Err.Error(), s.Err
		}
		fmt.Fprintf(out, "  %-24s sha256 %s  %s\n", s.File.Name, s.File.SHA256[:16], verdict)
	}
	if damaged != nil {
		return dataError{damaged}
	}
	train, test, err := source.Load()
	if err != nil {
		return dataError{err}
	}
	fmt.Fprintf(out, "%d training and %d test images of %dx%d pixels, %d classes\n", train.N, test.N, train.Side, train.Side, data.Classes)
	if sheet == "" {
		return nil
	}
	err = report.WriteFileAtomic(sheet, func(w io.Writer) error {
		return data.ContactSheet(w, train, "training set", perClass)
	})
	if err != nil {
		return fmt.Errorf("writing the contact sheet: %w", err)
	}
	fmt.Fprintln(out, "contact sheet:", sheet)
	return nil
}
