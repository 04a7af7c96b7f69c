package api

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"sync"

	"golang.org/x/sys/unix"

	"activedefense/config"
)

// SocketName is the name of the socket where the configuration gives none, in the folder that the service manager makes or in state_dir.
const SocketName = "activedefense.sock"

// ServiceSocket is where it is as a service.
const ServiceSocket = "/run/activedefense/" + SocketName

// SocketPath is where the socket is: as configured; else in runtimeDir, the folder below /run that the service manager made
// (RUNTIME_DIRECTORY); without one in the state folder.
func SocketPath(cfg *config.Config, runtimeDir string) string {
	switch {
	case cfg.Admin.Socket != "":
		return cfg.Admin.Socket
	case runtimeDir != "":
		return filepath.Join(runtimeDir, SocketName)
	}
	return filepath.Join(cfg.StateDir, SocketName)
}

// listenSocket opens the socket. One that a daemon left behind is replaced; one at which another answers is not. Everybody may connect:
// what who may do, the kernel's word on who it is decides.
func listenSocket(path string, admin *config.Admin) (_ net.Listener, err error) {
	if n := len(path); n > config.MaxSocket {
		return nil, fmt.Errorf("admin.socket: %s has %d bytes, and the system takes at most %d as the name of a socket; set admin.socket to a shorter path such as %s", path, n, config.MaxSocket, ServiceSocket)
	}
	// Only who holds the lock looks whether the socket is in use and replaces it. It is given back when the process ends, however it does.
	lock, err := os.OpenFile(path+".lock", os.O_CREATE|os.O_RDWR|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, fmt.Errorf("admin.socket: %w", err)
	}
	defer func() {
		if err != nil {
			lock.Close()
		}
	}()
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return nil, fmt.Errorf("admin.socket: another daemon listens at %s; stop it, or name another socket", path)
	}
	switch info, err := os.Lstat(path); {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return nil, fmt.Errorf("admin.socket: %w", err)
	case info.Mode()&fs.ModeSocket == 0:
		return nil, fmt.Errorf("admin.socket: %s is there and is no socket; remove it, or name another path", path)
	default:
		if err := os.Remove(path); err != nil {
			return nil, fmt.Errorf("admin.socket: the socket that a former daemon left cannot be removed: %w", err)
		}
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		return nil, fmt.Errorf("admin.socket: %w", err)
	}
	if err := os.Chmod(path, 0o666); err != nil {
		l.Close()
		return nil, fmt.Errorf("admin.socket: %w", err)
	}
	return &socket{UnixListener: l, lock: lock, admin: admin, places: map[Role]chan struct{}{
		Operator: make(chan struct{}, mostOperators), Viewer: make(chan struct{}, mostViewers), Nobody: make(chan struct{}, mostStrangers)}}, nil
}

// What is open at a time. Those who may do nothing are told so, and take no place of those who may, nor those who may look of those who act.
const (
	mostOperators = 256
	mostViewers   = 128
	mostStrangers = 8
)

// A socket gives connections whose caller is known.
type socket struct {
	*net.UnixListener
	lock   *os.File
	admin  *config.Admin
	places map[Role]chan struct{}
}

// Accept gives the next connection that there is room for.
func (s *socket) Accept() (net.Conn, error) {
	for {
		conn, err := s.AcceptUnix()
		if err != nil {
			return nil, err
		}
		caller := localCaller(conn, s.admin)
		places := s.places[caller.Role]
		select {
		case places <- struct{}{}:
			return &localConn{UnixConn: conn, caller: caller, leave: sync.OnceFunc(func() { <-places })}, nil
		default:
			conn.Close()
		}
	}
}

// Close stops listening, and lets another daemon listen there.
func (s *socket) Close() error {
	return errors.Join(s.UnixListener.Close(), s.lock.Close())
}

// A localConn is a connection over the socket.
type localConn struct {
	*net.UnixConn
	caller Caller
	leave  func()
}

func (c *localConn) Close() error {
	defer c.leave()
	return c.UnixConn.Close()
}

// connContext notes who is at the other end of a connection.
func connContext(ctx context.Context, conn net.Conn) context.Context {
	if c, ok := conn.(*localConn); ok {
		return withCaller(ctx, c.caller)
	}
	return ctx
}
