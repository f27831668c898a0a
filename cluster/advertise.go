package cluster

import (
	"context"
	"errors"
	"fmt"
	"net"

	"github.com/hashicorp/go-sockaddr"
)

// resolveAdvertise is the address that the others are told: host, which may be a name, or else the bound address. Where
// all of the machine's addresses are bound it chooses one, because memberlist would name one that is not bound, or none
// at all.
func resolveAdvertise(ctx context.Context, host, bind string) (string, error) {
	ip := net.ParseIP(bind)
	switch {
	case host == "" && ip.IsUnspecified():
		return reachable(ip)
	case host == "" || net.ParseIP(host) != nil:
		return host, nil
	}
	ips, err := net.DefaultResolver.LookupHost(ctx, host)
	if err != nil {
		return "", fmt.Errorf("cluster: --advertise %s: %w", host, err)
	}
	for _, ip := range ips {
		if net.ParseIP(ip).To4() != nil {
			return ip, nil
		}
	}
	return ips[0], nil
}

// reachable is the address at which others probably reach this machine, which has bound 0.0.0.0 or, with IPv4 too,
// [::]: its first private one, else the one from which its packets leave.
func reachable(bind net.IP) (string, error) {
	private, err := sockaddr.GetPrivateInterfaces()
	if err != nil {
		return "", fmt.Errorf("cluster: looking for this machine's addresses: %w", err)
	}
	candidates, others := sockaddr.FilterIfByType(private, sockaddr.TypeIPv4)
	// These addresses are reserved for documentation; no packet is sent to them.
	outside := []string{"198.51.100.1:9"}
	if bind.To4() == nil {
		candidates = append(candidates, others...)
		outside = append(outside, "[2001:db8::1]:9")
	}
	if len(candidates) > 0 {
		return (*sockaddr.ToIPAddr(candidates[0].SockAddr)).NetIP().String(), nil
	}
	for _, address := range outside {
		if c, err := net.Dial("udp", address); err == nil {
			defer c.Close()
			return c.LocalAddr().(*net.UDPAddr).IP.String(), nil
		}
	}
	return "", errors.New("cluster: this machine has no address that others could reach: name one with --advertise")
}
