package api

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"

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
	return &socket{UnixListener: l, lock: lock, admin: admin, rooms: map[Role]*room{
		Operator: {most: mostOperators, each: mostOperators}, Viewer: {most: mostViewers, each: mostViewers}, Nobody: {most: mostStrangers, each: mostStrangers}}}, nil
}

// A socket gives connections whose caller is known.
type socket struct {
	*net.UnixListener
	lock  *os.File
	admin *config.Admin
	rooms map[Role]*room
}

// Accept gives the next connection that there is room for.
func (s *socket) Accept() (net.Conn, error) {
	for {
		conn, err := s.AcceptUnix()
		if err != nil {
			return nil, err
		}
		caller := localCaller(conn, s.admin)
		if c := s.rooms[caller.Role].sit(conn, caller); c != nil {
			return c, nil
		}
	}
}

// Close stops listening, and lets another daemon listen there.
func (s *socket) Close() error {
	return errors.Join(s.UnixListener.Close(), s.lock.Close())
}
