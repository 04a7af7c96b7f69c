package panosim

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// server is the management server: it can go down and come up again at the same address.
type server struct {
	handler     http.Handler
	certificate *atomic.Pointer[tls.Certificate] // what handshakes present
	address     string                           // to listen at, with the port
	life        *lifetime
	failed      func(error) // told when serving has ended by itself

	mu       sync.Mutex   // held while the firewall goes down or up
	http     *http.Server // nil: down
	listener net.Listener
}

// serve begins to accept connections. The error says that the firewall is closed.
func (v *server) serve(listener net.Listener) error {
	server := &http.Server{
		Handler:           v.handler,
		ReadHeaderTimeout: 30 * time.Second,
		TLSConfig: &tls.Config{
			GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return v.certificate.Load(), nil },
			MinVersion:     tls.VersionTLS12,
		},
		// Not HTTP/2: a reset is made by taking over the connection, which only HTTP/1.1 allows.
		TLSNextProto: map[string]func(*http.Server, *tls.Conn, http.Handler){},
		// Refused handshakes are what some tests are about; they are not worth a line on standard error.
		ErrorLog: log.New(io.Discard, "", 0),
	}
	if !v.life.run(func(context.Context) {
		if err := server.ServeTLS(listener, "", ""); !errors.Is(err, http.ErrServerClosed) {
			v.failed(err)
		}
	}) {
		return errors.Join(net.ErrClosed, listener.Close())
	}
	v.http, v.listener = server, listener
	return nil
}

// down cuts every connection and refuses new ones.
func (v *server) down() {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.http == nil {
		return
	}
	// The errors are those of closing the listener, which nobody can act on here. It is closed once more because
	// a server that was only just started may not know it yet, and the port must be free on return.
	_ = v.http.Close()
	_ = v.listener.Close()
	v.http = nil
}

// While the firewall is down another process may get its port, if only for a connection of its own. It is tried again
// every portPause, for portWait, by the wall clock.
const (
	portPause = 20 * time.Millisecond
	portWait  = 10 * time.Second
)

// up listens again. The error says that another process has taken the port, or that the firewall is closed.
func (v *server) up() error {
	err := v.tryUp()
	for begun := time.Now(); errors.Is(err, syscall.EADDRINUSE) && time.Since(begun) < portWait && v.life.wait(v.life.ctx, portPause); {
		err = v.tryUp()
	}
	return err
}

func (v *server) tryUp() error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.life.ctx.Err() != nil {
		return net.ErrClosed
	}
	if v.http != nil {
		return nil
	}
	listener, err := net.Listen("tcp", v.address)
	if err != nil {
		return err
	}
	return v.serve(listener)
}

// listening says that the firewall is not down.
func (v *server) listening() bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.http != nil
}

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
