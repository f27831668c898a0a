package nn

import (
	"fmt"
	"hash"

	"github.com/chewxy/hm"
	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"ringloom/nn/op"
)

// movement is what concatOp and sliceOp share: operations that move channels and compute nothing. Lowering makes them
// copies, most of which fusion then removes.
type movement struct {
	id     uint64
	inputs gorgonia.Nodes
	image  op.Image // of the result
}

func (o *movement) setID(id uint64)            { o.id = id }
func (o *movement) inputNodes() gorgonia.Nodes { return o.inputs }

func (o *movement) Arity() int    { return len(o.inputs) }
func (o *movement) Type() hm.Type { return functionType(nhwc(o.image), o.inputs) }
func (o *movement) InferShape(...gorgonia.DimSizer) (tensor.Shape, error) {
	return nhwc(o.image), nil
}
func (o *movement) ReturnsPtr() bool      { return true }
func (o *movement) CallsExtern() bool     { return false }
func (o *movement) OverwritesInput() int  { return -1 }
func (o *movement) WriteHash(h hash.Hash) { fmt.Fprintf(h, "ringloom %d", o.id) }

// concatOp joins images channel by channel.
type concatOp struct {
	movement
	parts   []op.Image
	trained []bool
}

func (o *concatOp) Hashcode() uint32   { return hashcode(o) }
func (o *concatOp) String() string     { return fmt.Sprintf("concat %v", o.parts) }
func (o *concatOp) DiffWRT(int) []bool { return o.trained }

func (o *concatOp) SymDiff(_ gorgonia.Nodes, _, dy *gorgonia.Node) (grads gorgonia.Nodes, err error) {
	at := 0
	for i, p := range o.parts {
		var dx *gorgonia.Node
		if o.trained[i] {
			s := &sliceOp{movement: movement{inputs: gorgonia.Nodes{dy}, image: p}, of: o.image, at: at}
			if dx, err = apply(s); err != nil {
				return nil, err
			}
		}
		grads = append(grads, dx)
		at += p.C
	}
	return grads, nil
}

// Do is for Gorgonia's machines.
func (o *concatOp) Do(values ...gorgonia.Value) (gorgonia.Value, error) {
	dst := make([]float32, o.image.Len())
	at := 0
	for i, p := range o.parts {
		src := values[i].Data().([]float32)
		for pixel := range p.N * p.H * p.W {
			copy(dst[pixel*o.image.C+at:], src[pixel*p.C:(pixel+1)*p.C])
		}
		at += p.C
	}
	return tensor.New(tensor.WithShape(nhwc(o.image)...), tensor.WithBacking(dst)), nil
}

// sliceOp takes the channels from at on of an image: the gradient of one part of a concatenation.
type sliceOp struct {
	movement
	of op.Image
	at int
}

func (o *sliceOp) Hashcode() uint32 { return hashcode(o) }
func (o *sliceOp) String() string {
	return fmt.Sprintf("channels %d to %d of %v", o.at, o.at+o.image.C, o.of)
}

// Do is for Gorgonia's machines.
func (o *sliceOp) Do(values ...gorgonia.Value) (gorgonia.Value, error) {
	src := values[0].Data().([]float32)
	dst := make([]float32, o.image.Len())
	for pixel := range o.image.N * o.image.H * o.image.W {
		copy(dst[pixel*o.image.C:(pixel+1)*o.image.C], src[pixel*o.of.C+o.at:])
	}
	return tensor.New(tensor.WithShape(nhwc(o.image)...), tensor.WithBacking(dst)), nil
}
