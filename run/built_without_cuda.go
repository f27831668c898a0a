//go:build !gpu

package run

// BuiltWithCUDA says that a GPU can be used where there is one: why it is not is then worth a line.
const BuiltWithCUDA = false
