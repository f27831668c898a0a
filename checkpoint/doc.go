// Package checkpoint reads and writes parameters as safetensors files with PyTorch's names and shapes, so that
// load_state_dict(strict=True) takes what ringloom writes, and ringloom takes what safetensors' save_file writes of a
// state dict.
//
// # Format
//
// The file is an 8-byte little-endian header length, a JSON header that maps names to {dtype, shape, data_offsets},
// and the data, little endian, in one block without gaps (the safetensors format description). The header's
// __metadata__ maps strings to strings: Meta.
//
// Write writes float32 (F32), and int64 (I64) for the counters that a state dict has beside its parameters
// (num_batches_tracked of batch norm). Read also takes F64, F16 and BF16 and converts them to float32. It does not
// take files of torch.save: those are pickles, programs in a language that only Python speaks.
//
// Write adds the SHA-256 of each tensor and of the description to Meta, and Read holds them against the file, where they are there
// (sums.go). Metadata of other programs is told from ringloom's by what it lacks (Meta.Foreign).
//
// Write streams to a writer; use it under report.WriteFileAtomic. Read and Fit are strict: a file is taken whole or
// refused with an error that names the tensor.
//
// # Training state
//
// To continue, a run needs more than its parameters. All of it goes into one file, which is replaced at once, so that
// parameters and optimizer never come from different steps. WriteTraining puts "model." before the model's names and
// "optimizer." before the optimizer's own, which are KIND.PARAMETER by convention, such as "optimizer.exp_avg.0.weight";
// the counters go to Meta. Package main adds "optimizer.moments_by_rank", each rank's own running moments of batch norm
// [ranks, elements] where the model's part holds their mean, and the metadata "run", a JSON object of configuration,
// position and the sums of the unfinished epoch. Such a file is not a state dict: call it NAME.training.safetensors and
// write a plain one beside it for others. Split separates the two parts of either kind.
package checkpoint
