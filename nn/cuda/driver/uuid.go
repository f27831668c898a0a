package driver

import "strings"

// SameUUID reports whether two UUIDs are of one device, whatever their case and whether GPU- or MIG- stands before
// them: that a device is a MIG slice cannot always be told.
func SameUUID(a, b string) bool { return strings.EqualFold(uuidDigits(a), uuidDigits(b)) }

// IsUUID reports whether a name begins as nvidia-smi prints UUIDs, in any case.
func IsUUID(name string) bool {
	prefix := name[:min(len(prefixGPU), len(name))]
	return strings.EqualFold(prefix, prefixGPU) || strings.EqualFold(prefix, prefixMIG)
}

func uuidDigits(uuid string) string {
	if IsUUID(uuid) {
		return uuid[len(prefixGPU):]
	}
	return uuid
}

// What nvidia-smi prints before the UUID of a GPU, and before that of a MIG slice. They are as long.
const (
	prefixGPU = "GPU-"
	prefixMIG = "MIG-"
)
