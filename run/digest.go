package run

import (
	"fmt"

	"ringloom/cluster"
	"ringloom/train"
)

// digest is what all nodes must agree on; the cluster shows the difference to a node that does not.
func (c Config) digest(dataHash, initHash string) cluster.Digest {
	d := cluster.Digest{
		{Name: "version", Value: c.Version},
		{Name: "initial parameters", Value: initHash},
		{Name: "data", Value: dataHash},
		{Name: "autotune", Value: fmt.Sprint(c.Autotune)},
		{Name: "strict precision", Value: fmt.Sprint(c.Device.Strict())},
		{Name: "NATS", Value: c.Member.NATSKind()},
	}
	d = append(d, c.Ring.Digest()...)
	return append(d, configDigest(c.Train)...)
}

// configDigest lists everything that is trained with: all nodes must agree on it.
func configDigest(c train.Config) (d cluster.Digest) {
	for _, s := range train.Settings() {
		d = append(d, cluster.Field{Name: s.Label, Value: s.Value(c)})
	}
	return d
}
