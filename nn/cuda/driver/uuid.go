package driver

import "strings"

// SameUUID reports whether two UUIDs are of one device, whatever their case and whether GPU- or MIG- stands before them: that a
// device is a MIG slice cannot always be told.
func SameUUID(a, b string) bool { return strings.EqualFold(uuidDigits(a), uuidDigits(b)) }

func uuidDigits(uuid string) string {
	if prefix := uuid[:min(4, len(uuid))]; strings.EqualFold(prefix, prefixGPU) || strings.EqualFold(prefix, prefixMIG) {
		return uuid[len(prefix):]
	}
	return uuid
}

// What nvidia-smi prints before the UUID of a GPU, and before that of a MIG slice.
const (
	prefixGPU = "GPU-"
	prefixMIG = "MIG-"
)
