package api

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"time"

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
func listenSocket(path string, admin *config.Admin) (net.Listener, error) {
	at, err := openSocket(path)
	if err != nil {
		return nil, err
	}
	return newSocket(at, admin, false), nil
}

func openSocket(path string) (_ *opened, err error) {
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
	info, err := os.Lstat(path)
	if err != nil {
		l.Close()
		return nil, fmt.Errorf("admin.socket: %w", err)
	}
	return &opened{UnixListener: l, path: path, info: info, lock: lock}, nil
}

// An opened socket lets no other daemon listen there.
type opened struct {
	*net.UnixListener
	path string
	info fs.FileInfo
	lock *os.File
}

// Close stops listening, and lets another daemon listen there.
func (o *opened) Close() error { return errors.Join(o.UnixListener.Close(), o.lock.Close()) }

// A Lasting socket stays open from one server to the next, so that who connects between them waits and is not refused. The zero value is
// none yet. It is for one goroutine, and whoever has it closes it behind the last server.
type Lasting struct{ at *opened }

// listen gives the socket at a path to a server, whose end leaves it open. One at another path, or whose file somebody has removed, is closed.
func (l *Lasting) listen(path string, admin *config.Admin) (net.Listener, error) {
	if l.at != nil {
		if info, err := os.Lstat(path); path != l.at.path || err != nil || !os.SameFile(info, l.at.info) {
			l.Close()
		}
	}
	if l.at == nil {
		at, err := openSocket(path)
		if err != nil {
			return nil, err
		}
		l.at = at
	}
	if err := l.at.SetDeadline(time.Time{}); err != nil {
		return nil, fmt.Errorf("admin.socket: %w", err)
	}
	return newSocket(l.at, admin, true), nil
}

// Close closes the socket, if there is one.
func (l *Lasting) Close() error {
	if l.at == nil {
		return nil
	}
	at := l.at
	l.at = nil
	return at.Close()
}

// A socket gives connections whose caller is known.
type socket struct {
	*opened
	lasts bool // its end leaves it open
	admin *config.Admin
	rooms map[Role]*room
}

func newSocket(at *opened, admin *config.Admin, lasts bool) *socket {
	return &socket{at, lasts, admin, map[Role]*room{
		Operator: {most: mostOperators, each: mostOperators}, Viewer: {most: mostViewers, each: mostViewers}, Nobody: {most: mostStrangers, each: mostStrangers}}}
}

// Accept gives the next connection that there is room for.
func (s *socket) Accept() (net.Conn, error) {
	for {
		conn, err := s.AcceptUnix()
		if errors.Is(err, os.ErrDeadlineExceeded) {
			err = net.ErrClosed // it is, for this server, which would try again after what passes by
		}
		if err != nil {
			return nil, err
		}
		caller := localCaller(conn, s.admin)
		if c := s.rooms[caller.Role].sit(conn, caller); c != nil {
			return c, nil
		}
	}
}

// Close ends what is accepted, and the socket where it does not outlive its server.
func (s *socket) Close() error {
	if s.lasts {
		return s.SetDeadline(time.Unix(1, 0))
	}
	return s.opened.Close()
}
