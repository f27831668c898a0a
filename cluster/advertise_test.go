package cluster

import (
	"net"
	"strings"
	"testing"
)

func TestAdvertisedAddresses(t *testing.T) {
	for _, c := range []struct{ host, bind, want string }{
		{"", "127.0.0.1", ""}, // what is bound
		{"10.1.2.3", "0.0.0.0", "10.1.2.3"},
		{"localhost", "0.0.0.0", "127.0.0.1"},
	} {
		if got, err := resolveAdvertise(t.Context(), c.host, c.bind); err != nil || got != c.want {
			t.Errorf("--advertise %q, bound %s: %q, %v, want %q", c.host, c.bind, got, err, c.want)
		}
	}
	if _, err := resolveAdvertise(t.Context(), "no.such.host.invalid", "0.0.0.0"); err == nil || !strings.Contains(err.Error(), "--advertise no.such.host.invalid") {
		t.Errorf("got %v", err)
	}
}

// Of all the machine's addresses one is named, of the kind that is bound.
func TestOneOfAllAddressesIsAdvertised(t *testing.T) {
	for _, bind := range []string{"0.0.0.0", "::"} {
		got, err := resolveAdvertise(t.Context(), "", bind)
		if err != nil {
			if !strings.Contains(err.Error(), "--advertise") {
				t.Error(err)
			}
			t.Skip("SKIPPED, this machine is on no network: ", err)
		}
		ip := net.ParseIP(got)
		if ip == nil || ip.IsUnspecified() || bind == "0.0.0.0" && ip.To4() == nil {
			t.Errorf("bound %s: %q is advertised", bind, got)
		}
	}
}
