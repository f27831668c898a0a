package onnx

import (
	"math"

	"google.golang.org/protobuf/encoding/protowire"
)

// The numbers of the fields and the enumerations, from onnx.proto.
const (
	modelIRVersion       protowire.Number = 1
	modelProducer        protowire.Number = 2
	modelProducerVersion protowire.Number = 3
	modelGraph           protowire.Number = 7
	modelOpset           protowire.Number = 8
	modelMetadata        protowire.Number = 14

	entryKey   protowire.Number = 1
	entryValue protowire.Number = 2

	opsetVersion protowire.Number = 2

	graphNode        protowire.Number = 1
	graphName        protowire.Number = 2
	graphInitializer protowire.Number = 5
	graphInput       protowire.Number = 11
	graphOutput      protowire.Number = 12

	nodeInput     protowire.Number = 1
	nodeOutput    protowire.Number = 2
	nodeName      protowire.Number = 3
	nodeOp        protowire.Number = 4
	nodeAttribute protowire.Number = 5

	attributeName  protowire.Number = 1
	attributeFloat protowire.Number = 2
	attributeInt   protowire.Number = 3
	attributeInts  protowire.Number = 8
	attributeType  protowire.Number = 20

	tensorDims     protowire.Number = 1
	tensorDataType protowire.Number = 2
	tensorName     protowire.Number = 8
	tensorRawData  protowire.Number = 9

	valueName protowire.Number = 1
	valueType protowire.Number = 2

	typeTensor protowire.Number = 1

	tensorTypeElement protowire.Number = 1
	tensorTypeShape   protowire.Number = 2

	shapeDim protowire.Number = 1

	dimValue protowire.Number = 1
	dimParam protowire.Number = 2

	attributeTypeFloat = 1
	attributeTypeInt   = 2
	attributeTypeInts  = 7
	elementFloat       = 1
)

// message is the encoding of one message.
type message []byte

func (m *message) varint(field protowire.Number, v int) {
	*m = protowire.AppendVarint(protowire.AppendTag(*m, field, protowire.VarintType), uint64(v))
}

func (m *message) text(field protowire.Number, s string) {
	*m = protowire.AppendString(protowire.AppendTag(*m, field, protowire.BytesType), s)
}

func (m *message) message(field protowire.Number, inner message) {
	*m = protowire.AppendBytes(protowire.AppendTag(*m, field, protowire.BytesType), inner)
}

// begin opens a field of n bytes, which follow.
func (m *message) begin(field protowire.Number, n int) {
	*m = protowire.AppendVarint(protowire.AppendTag(*m, field, protowire.BytesType), uint64(n))
}

func encodeNode(n node) (m message) {
	for _, input := range n.inputs {
		m.text(nodeInput, input)
	}
	m.text(nodeOutput, n.output)
	m.text(nodeName, n.name)
	m.text(nodeOp, n.op)
	for _, a := range n.attributes {
		m.message(nodeAttribute, encodeAttribute(a))
	}
	return m
}

func encodeAttribute(a attribute) (m message) {
	m.text(attributeName, a.name)
	switch {
	case a.float != nil:
		m = protowire.AppendFixed32(protowire.AppendTag(m, attributeFloat, protowire.Fixed32Type), math.Float32bits(*a.float))
		m.varint(attributeType, attributeTypeFloat)
	case a.num != nil:
		m.varint(attributeInt, *a.num)
		m.varint(attributeType, attributeTypeInt)
	default:
		for _, v := range a.ints {
			m.varint(attributeInts, v)
		}
		m.varint(attributeType, attributeTypeInts)
	}
	return m
}

// encodeTensor is a tensor up to its data, which follow it: 4 bytes an element, little endian.
func encodeTensor(name string, shape []int, elements int) (m message) {
	for _, d := range shape {
		m.varint(tensorDims, d)
	}
	m.varint(tensorDataType, elementFloat)
	m.text(tensorName, name)
	m.begin(tensorRawData, 4*elements)
	return m
}

// encodeValue is the type of an input or output; a batch of 0 is left open.
func encodeValue(name string, batch int, dims ...int) (m message) {
	var shape message
	var first message
	if batch == 0 {
		first.text(dimParam, "batch")
	} else {
		first.varint(dimValue, batch)
	}
	shape.message(shapeDim, first)
	for _, d := range dims {
		var dim message
		dim.varint(dimValue, d)
		shape.message(shapeDim, dim)
	}
	var tensor, kind message
	tensor.varint(tensorTypeElement, elementFloat)
	tensor.message(tensorTypeShape, shape)
	kind.message(typeTensor, tensor)
	m.text(valueName, name)
	m.message(valueType, kind)
	return m
}
