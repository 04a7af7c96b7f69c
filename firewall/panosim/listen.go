package panosim

import (
	"fmt"
	"net"
)

// listen opens the management address, and gives the names under which a client may reach it: the local ones, the
// host of the address and, if that means every interface, the addresses of all interfaces.
func listen(address string) (net.Listener, []string, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, nil, fmt.Errorf("listen address %q: %w", address, err)
	}
	names := []string{"localhost", "127.0.0.1", "::1"}
	ip := net.ParseIP(host)
	switch {
	case host == "" || ip != nil && ip.IsUnspecified():
		addresses, err := net.InterfaceAddrs()
		if err != nil {
			return nil, nil, fmt.Errorf("list the addresses of this machine: %w", err)
		}
		for _, a := range addresses {
			if network, ok := a.(*net.IPNet); ok {
				names = append(names, network.IP.String())
			}
		}
	default:
		names = append(names, host)
	}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return nil, nil, err // net.OpError says what was tried
	}
	return listener, names, nil
}

// reachable is the address as a client on this machine writes it.
func reachable(a net.Addr) string {
	tcp, ok := a.(*net.TCPAddr)
	if ok && tcp.IP.IsUnspecified() {
		return net.JoinHostPort("127.0.0.1", fmt.Sprint(tcp.Port))
	}
	return a.String()
}
