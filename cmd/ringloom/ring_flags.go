package main

import (
	"fmt"

	"github.com/spf13/pflag"

	"ringloom/allreduce"
	"ringloom/allreduce/codec"
	"ringloom/allreduce/natsring"
	"ringloom/cluster"
)

// maxRings are more than help anywhere; allreduce has the same limit.
const maxRings = 64

// ringFlags say how frames travel round the ring. What is added here reaches every command that measures it: register,
// check, config and digest stand together.
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
	d := allreduce.DefaultConfig()
	f.chunkBytes, f.windowBytes = byteSize(d.ChunkBytes), byteSize(d.WindowBytes)
	fl.Var(&f.chunkBytes, "chunk-bytes", "payload of one frame")
	fl.Var(&f.windowBytes, "window-bytes", "bytes under way to the next rank, at least two chunks")
	fl.IntVar(&f.rings, "rings", d.Rings, "rings, each with connections of its own, that large vectors are divided among")
	fl.BoolVar(&f.sharedMemory, "shared-memory", natsring.DefaultConfig(d).SharedMemory, "let data between ranks of one machine lie in shared memory")
	f.spin.auto = true
	fl.Var(&f.spin, "spin", "how long to look for frames in shared memory before sleeping, at most 1ms; auto: 50us where every rank of the machine has a core of its own, else 0")
}

// registerWire is for commands that can sum in any format.
func (f *ringFlags) registerWire(fl *pflag.FlagSet) {
	fl.StringVar(&f.wire, "wire", f.wire, "format of the numbers on their way: float32, bf16, fp16 or int8")
}

func (f *ringFlags) check() (err error) {
	if f.format, err = codec.Parse(f.wire); err != nil {
		return fmt.Errorf("--wire %w", err)
	}
	most := natsring.DefaultServerConfig().MaxPayloadBytes - allreduce.HeaderBytes
	switch {
	case f.chunkBytes < 4 || f.chunkBytes%4 != 0:
		return fmt.Errorf("--chunk-bytes %d: give a multiple of 4 bytes", f.chunkBytes)
	case int(f.chunkBytes) > most:
		return fmt.Errorf("--chunk-bytes %d: a frame is larger than NATS takes (max_payload): give at most %d", f.chunkBytes, most)
	case f.windowBytes < 2*f.chunkBytes:
		return fmt.Errorf("--window-bytes %d: give at least two chunks (%d)", f.windowBytes, 2*f.chunkBytes)
	case f.windowBytes > allreduce.MaxWindowBytes || f.windowBytes/f.chunkBytes > allreduce.MaxWindowFrames:
		return fmt.Errorf("--window-bytes %d: give at most %d, and at most %d chunks of --chunk-bytes %d",
			f.windowBytes, allreduce.MaxWindowBytes, allreduce.MaxWindowFrames, f.chunkBytes)
	case f.rings < 1 || f.rings > maxRings:
		return fmt.Errorf("--rings %d: give a number from 1 to %d", f.rings, maxRings)
	}
	return nil
}

// config is the ring's configuration but for the rank's place in it.
func (f *ringFlags) config() allreduce.Config {
	c := allreduce.DefaultConfig()
	c.ChunkBytes, c.WindowBytes, c.Rings, c.Spin = int(f.chunkBytes), int(f.windowBytes), f.rings, f.spin.duration
	return c
}

// digest is what all ranks must have alike.
func (f *ringFlags) digest() cluster.Digest {
	return cluster.Digest{
		field("wire version", fmt.Sprint(allreduce.WireVersion)),
		field("chunk bytes", f.chunkBytes.String()),
		field("window bytes", f.windowBytes.String()),
		field("rings", fmt.Sprint(f.rings)),
		field("shared memory", fmt.Sprint(f.sharedMemory)),
	}
}
