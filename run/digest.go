package run

import (
	"fmt"

	"ringloom/cluster"
	"ringloom/train"
)

// digest is what all nodes must agree on; the cluster shows the difference to a node that does not.
func (c Config) digest(dataHash, initHash, device string) cluster.Digest {
	d := cluster.Digest{
		{Name: "version", Value: c.Version},
		{Name: "initial parameters", Value: initHash},
		{Name: "data", Value: dataHash},
		{Name: "autotune", Value: fmt.Sprint(c.Autotune)},
		{Name: "strict precision", Value: fmt.Sprint(c.Device.Strict())},
		{Name: "NATS", Value: c.Member.NATSKind()},
	}
	if c.Member.Elastic.On { // whoever joins later must not end the run
		d = append(d, cluster.Field{Name: "kind of device", Value: deviceKind(device)})
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

// deviceKind is what devices have in common whose updates have the same bits.
func deviceKind(device string) string {
	if IsGPU(device) {
		return "GPU"
	}
	return device
}
