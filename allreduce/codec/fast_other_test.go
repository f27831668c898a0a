//go:build !amd64

package codec

func setFast(bool) {}
