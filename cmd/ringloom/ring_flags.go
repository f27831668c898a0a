package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/spf13/pflag"

	"ringloom/allreduce/codec"
	"ringloom/run"
)

// ringFlags say how frames travel round the ring. What is added here reaches every command that measures it.
type ringFlags struct {
	chunkBytes, windowBytes byteSize
	rings                   int
	sharedMemory            bool
	spin                    spinFlag
	wire                    string

	format codec.Format // of wire, after check
}

func (f *ringFlags) register(fl *pflag.FlagSet) {
	f.wire = codec.Float32.String()
	d := run.DefaultRingConfig()
	f.chunkBytes, f.windowBytes, f.spin = byteSize(d.ChunkBytes), byteSize(d.WindowBytes), spinFlag(d.Spin)
	fl.Var(&f.chunkBytes, "chunk-bytes", "payload of one frame")
	fl.Var(&f.windowBytes, "window-bytes", "bytes under way to the next rank, at least two chunks")
	fl.IntVar(&f.rings, "rings", d.Rings, "rings, each with connections of its own, that large vectors are divided among")
	fl.BoolVar(&f.sharedMemory, "shared-memory", d.SharedMemory, "let data between ranks of one machine lie in shared memory")
	fl.Var(&f.spin, "spin", "how long to look for frames in shared memory before sleeping, at most 1ms; auto: 50us where every rank of the machine has a core of its own, else 0")
}

// registerWire is for commands that can sum in any format.
func (f *ringFlags) registerWire(fl *pflag.FlagSet) {
	fl.StringVar(&f.wire, "wire", f.wire, "format of the numbers on their way: float32, bf16, fp16 or int8")
}

// check refuses what no ring can do.
func (f *ringFlags) check(deadline time.Duration) (err error) {
	if f.format, err = codec.Parse(f.wire); err != nil {
		return fmt.Errorf("--wire %w", err)
	}
	return f.config(deadline).Validate()
}

// config is the ring's configuration, whose collectives may make no progress for so long.
func (f *ringFlags) config(deadline time.Duration) run.RingConfig {
	return run.RingConfig{
		ChunkBytes: int(f.chunkBytes), WindowBytes: int(f.windowBytes), Rings: f.rings, SharedMemory: f.sharedMemory,
		Spin: time.Duration(f.spin), Deadline: deadline,
	}
}

// spinFlag is a duration, or auto.
type spinFlag time.Duration

// Set parses.
func (s *spinFlag) Set(text string) error {
	if text == "auto" {
		*s = spinFlag(run.AutoSpin)
		return nil
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 || d > run.MaxSpin {
		return errors.New("give auto, or a duration from 0 to 1ms")
	}
	*s = spinFlag(d)
	return nil
}

// String is what Set takes.
func (s *spinFlag) String() string {
	if time.Duration(*s) == run.AutoSpin {
		return "auto"
	}
	return time.Duration(*s).String()
}

// Type is shown in the help.
func (s *spinFlag) Type() string { return "duration" }
