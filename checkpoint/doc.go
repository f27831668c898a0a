// Package checkpoint reads and writes parameters as safetensors files with PyTorch's names and shapes, so that
// safetensors' own readers load them and ringloom loads theirs.
//
// The file is an 8-byte little-endian header length, a JSON header that maps names to {dtype, shape, data_offsets},
// and the float32 data, little endian, in one block without gaps (the safetensors format description). The header's
// __metadata__ holds what ringloom adds: the model's name, the epoch, the step and the test accuracy.
//
// Write streams to a writer; use it under report.WriteFileAtomic. Read is strict: a file is taken whole or refused
// with an Error that names the tensor.
package checkpoint
