package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"ringloom/data"
	"ringloom/report"
	"ringloom/run"
	"ringloom/train"
)

// loadData finds the data set, downloading it if it must, and loads it.
func loadData(ctx context.Context, dir string, offline bool) (run.Datasets, error) {
	return run.LoadData(ctx, data.Options{Dir: dir, Offline: offline, Progress: downloadProgress(), Say: sayBusy})
}

// downloadProgress draws a bar a file on a terminal, and prints a line a file elsewhere.
func downloadProgress() func(file string, done, total int64) {
	var mu sync.Mutex
	bars := map[string]*progressbar.ProgressBar{}
	terminal := isTerminal(standardError)
	return func(file string, done, total int64) {
		mu.Lock()
		defer mu.Unlock()
		bar, known := bars[file]
		if !known {
			if terminal {
				bar = progressbar.DefaultBytes(total, "downloading "+file)
			} else {
				fmt.Fprintf(standardError, "downloading %s (%d bytes)\n", file, total)
			}
			bars[file] = bar
		}
		if bar != nil {
			bar.Set64(done)
		}
	}
}

func dataCommand() *cobra.Command {
	var dir string
	var offline bool
	s := sheetFlags{Augmentation: data.Augmentation{CropPadding: train.DefaultConfig().CropPadding, Flip: true, Epoch: 1}}
	cmd := &cobra.Command{
		Use:   "data",
		Short: "Show where Fashion-MNIST is, verify it, draw a contact sheet",
		Long: `Find Fashion-MNIST (--data, $RINGLOOM_DATA, the user's cache, Debian's package dataset-fashion-mnist, else
download it into the cache), verify the SHA-256 of every file's content, and print what was found. With
--sheet also draw labelled samples of each class into a PNG; with --augment as well, draw the first sample
of each class as it is stored, and then as the epochs of 'ringloom train --augment' see it.`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := s.check(cmd.Flags()); err != nil {
				return usageError{err}
			}
			source, err := data.Find(cmd.Context(), data.Options{Dir: dir, Offline: offline, Progress: downloadProgress(), Say: sayBusy})
			if err != nil {
				return run.DataError{Err: err}
			}
			return showData(cmd.OutOrStdout(), source, s)
		},
	}
	cmd.Flags().StringVar(&dir, "data", "", "folder to look in, and nowhere else")
	cmd.Flags().BoolVar(&offline, "offline", false, "never download")
	cmd.Flags().StringVar(&s.path, "sheet", "", "write a contact sheet of the training set to this PNG file")
	cmd.Flags().IntVar(&s.perClass, "per-class", 20, "samples of each class on the contact sheet; with --augment: epochs")
	cmd.Flags().BoolVar(&s.augment, "augment", false, "show on the sheet what augmentation makes of a sample")
	settingFlag(cmd.Flags(), setting("CropPadding"), &s.CropPadding)
	settingFlag(cmd.Flags(), setting("Flip"), &s.Flip)
	cmd.Flags().Uint64Var(&s.Seed, "seed", train.DefaultConfig().Seed, "with --augment: the seed of the training run")
	return cmd
}

// sheetFlags say what the contact sheet shows.
type sheetFlags struct {
	path     string
	perClass int
	augment  bool
	data.Augmentation
}

func (s *sheetFlags) check(fl *pflag.FlagSet) error {
	if s.perClass < 1 || s.perClass > 100 {
		return fmt.Errorf("--per-class %d: give a number from 1 to 100", s.perClass)
	}
	if s.CropPadding < 0 || s.CropPadding > data.Side/2 {
		return fmt.Errorf("--crop-padding %d: give a number of pixels from 0 to %d", s.CropPadding, data.Side/2)
	}
	for _, flag := range []string{"crop-padding", "flip", "seed"} {
		if fl.Changed(flag) && !s.augment {
			return fmt.Errorf("--%s has no effect without --augment: give that as well, or leave it out", flag)
		}
	}
	if s.augment && s.path == "" {
		return errors.New("--augment has no effect without --sheet: name the PNG file to draw")
	}
	if s.path != "" {
		return checkOutput("sheet", s.path)
	}
	return nil
}

func (s *sheetFlags) draw(w io.Writer, set *data.Dataset) error {
	if s.augment {
		return data.AugmentationSheet(w, set, "augmented training set", s.Augmentation, s.perClass)
	}
	return data.ContactSheet(w, set, "training set", s.perClass)
}

func showData(out io.Writer, source *data.Source, sheet sheetFlags) error {
	fmt.Fprintf(out, "Fashion-MNIST in %s (%s)\n", source.Dir, source.Origin)
	var damaged error
	for _, s := range source.Verify() {
		state := "verified"
		if s.Err != nil {
			state, damaged = s.Err.Error(), s.Err
		}
		fmt.Fprintf(out, "  %-24s sha256 %s  %s\n", s.File.Name, s.File.SHA256[:16], state)
	}
	if damaged != nil {
		return run.DataError{Err: damaged}
	}
	trainSet, testSet, err := source.Load()
	if err != nil {
		return run.DataError{Err: err}
	}
	fmt.Fprintf(out, "%d training and %d test images of %dx%d pixels, %d classes\n",
		trainSet.N, testSet.N, trainSet.Side, trainSet.Side, data.Classes)
	if sheet.path == "" {
		return nil
	}
	err = report.WriteFileAtomic(sheet.path, func(w io.Writer) error { return sheet.draw(w, trainSet) })
	if err != nil {
		return fmt.Errorf("writing the contact sheet: %w", err)
	}
	fmt.Fprintln(out, "contact sheet:", sheet.path)
	return nil
}
