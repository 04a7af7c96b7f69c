package panosim

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"time"
)

const (
	syslogQueue   = 10_000           // lines that wait for one server; more are lost
	syslogServers = 16               // servers that one firewall talks to in its life; lines to more are lost
	syslogTries   = 3                // for one line over TCP or SSL
	syslogPause   = time.Second / 10 // before the second try, by the wall clock; twice that before the third
	syslogDial    = 2 * time.Second  // for a connection, and for a line to be taken
)

// sender sends the lines for one server, in their order, in a goroutine of its own: a server that is slow or away
// holds up nobody.
type sender struct {
	to    syslogServer
	queue chan []byte
	conn  net.Conn // nil: none
	lost  bool     // the last line was, and the system log says so
}

// deliver hands lines over to their senders, and to Options.OnLog. The caller holds no lock.
func (s *Sim) deliver(lines []syslogLine) {
	for _, line := range lines {
		if s.opts.OnLog != nil {
			s.opts.OnLog(line.text)
		}
		sender := s.sender(line.to)
		if sender == nil {
			s.meter.logged(false)
			continue
		}
		select {
		case sender.queue <- line.text:
		default:
			s.meter.logged(false)
		}
	}
}

// sender gives the sender for a server; nil: the firewall is closing, or there are too many.
func (s *Sim) sender(to syslogServer) *sender {
	s.mu.Lock()
	defer s.mu.Unlock()
	if known := s.plane.senders[to]; known != nil || s.closed || len(s.plane.senders) == syslogServers {
		return known
	}
	out := &sender{to: to, queue: make(chan []byte, syslogQueue)}
	s.plane.senders[to] = out
	s.running.Go(func() { s.sendAll(out) })
	return out
}

// sendAll sends until the firewall closes.
func (s *Sim) sendAll(to *sender) {
	defer to.hangUp()
	for {
		select {
		case <-s.closing:
			return
		case line := <-to.queue:
			err := s.sendLine(to, line)
			s.meter.logged(err == nil)
			if err != nil && !to.lost {
				s.mu.Lock()
				s.logLocked("high", "syslog", "Syslog connection failed to server "+to.to.address+": "+err.Error())
				s.mu.Unlock()
			}
			to.lost = err != nil
		}
	}
}

// sendLine tries until the line is taken, the tries are used up or the firewall closes. After a line that was lost,
// one try is enough to find out that nothing has changed.
func (s *Sim) sendLine(to *sender, line []byte) error {
	tries := syslogTries
	if to.to.transport == "UDP" || to.lost {
		tries = 1
	}
	var err error
	for try := range tries {
		if try > 0 && !s.wait(s.life, time.Duration(try)*syslogPause) {
			return err
		}
		if err = s.trySend(to, line); err == nil {
			return nil
		}
		to.hangUp()
	}
	return err
}

func (s *Sim) trySend(to *sender, line []byte) error {
	if to.conn == nil {
		conn, err := s.dialSyslog(to.to)
		if err != nil {
			return err
		}
		to.conn = conn
	}
	if err := to.conn.SetWriteDeadline(time.Now().Add(syslogDial)); err != nil {
		return err
	}
	if to.to.transport != "UDP" {
		// Each message ends with a line feed (RFC 6587, non-transparent framing).
		line = append(line[:len(line):len(line)], '\n')
	}
	_, err := to.conn.Write(line)
	return err
}

// dialSyslog connects. An SSL server must show a certificate of an authority that the firewall has imported.
func (s *Sim) dialSyslog(to syslogServer) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(s.life, syslogDial)
	defer cancel()
	switch to.transport {
	case "UDP":
		return (&net.Dialer{}).DialContext(ctx, "udp", to.address)
	case "TCP":
		return (&net.Dialer{}).DialContext(ctx, "tcp", to.address)
	case "SSL":
		s.mu.Lock()
		roots := imported(s.runningLocked(), s.opts.Now())
		s.mu.Unlock()
		d := &tls.Dialer{Config: &tls.Config{RootCAs: roots, Time: s.opts.Now, MinVersion: tls.VersionTLS12}}
		return d.DialContext(ctx, "tcp", to.address)
	}
	return nil, fmt.Errorf("unknown transport %q", to.transport)
}

func (to *sender) hangUp() {
	if to.conn != nil {
		// What was written is on its way or lost; there is nothing to do about an error.
		_ = to.conn.Close()
		to.conn = nil
	}
}
