package notify

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"activedefense/agent/display"
	"activedefense/config"
	"activedefense/store"
)

// siem sends notices as syslog messages (RFC 5424): a datagram each (RFC 5426), or on a stream, each after its length (RFC 6587, 5425). A receiver of syslog
// acknowledges nothing: what it takes, and what a datagram loses, nobody can know.
type siem struct {
	*config.Syslog
	host string
	tls  *tls.Config
	conn net.Conn // nil: none is open
}

func newSyslog(o Options) (*receiver, error) {
	c := &o.Config.Syslog
	roots, err := rootsOf(c.CA)
	if err != nil {
		return nil, err
	}
	host, _, err := net.SplitHostPort(c.Address)
	if err != nil {
		return nil, err
	}
	name, err := os.Hostname()
	if err != nil {
		name = "-"
	}
	s := &siem{Syslog: c, host: header(name, 255), tls: &tls.Config{ServerName: host, RootCAs: roots, MinVersion: tls.VersionTLS12}}
	return &receiver{name: "syslog", key: "syslog " + c.Network + " " + c.Address, lanes: []lane{{events: c.Events}}, load: 500, each: 100, send: s.send,
		test: func(ctx context.Context, n store.Notice) error {
			_, err := s.send(ctx, []store.Notice{n})
			s.close()
			return err
		}}, nil
}

func (s *siem) close() {
	if s.conn != nil {
		s.conn.Close()
		s.conn = nil
	}
}

// send writes the messages. Those of a connection that broke are written again on the next one.
func (s *siem) send(ctx context.Context, notices []store.Notice) (done int, err error) {
	if s.conn != nil && s.Network != "udp" && ended(s.conn) {
		s.close()
	}
	if s.conn == nil {
		if s.conn, err = s.dial(ctx); err != nil {
			return 0, err
		}
	}
	conn := s.conn
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer func() {
		if !stop() || err != nil {
			s.close()
		}
	}()
	for i := range notices {
		text := message(s.host, &notices[i])
		if s.Network != "udp" {
			text = strconv.Itoa(len(text)) + " " + text
		}
		if _, err := conn.Write([]byte(text)); err != nil {
			return 0, err
		}
	}
	return len(notices), nil
}

func (s *siem) dial(ctx context.Context) (net.Conn, error) {
	if s.Network == "tls" {
		return (&tls.Dialer{Config: s.tls}).DialContext(ctx, "tcp", s.Address)
	}
	return (&net.Dialer{}).DialContext(ctx, s.Network, s.Address)
}

// ended tells whether the other side has closed a connection: what was written to it then would be lost without an error.
func ended(conn net.Conn) bool {
	if err := conn.SetReadDeadline(time.Now().Add(time.Millisecond)); err != nil {
		return true
	}
	var one [1]byte
	_, err := conn.Read(one[:]) // nobody says anything
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() {
		return conn.SetReadDeadline(time.Time{}) != nil
	}
	return err != nil
}

// The facility is that of security messages, the severities those of RFC 5424, 6.2.1.
const (
	facility = 4
	sevError = 3
	sevWarn  = 4
	sevNote  = 5
)

// mostMessage is what every receiver of syslog by UDP should take (RFC 5426, 3.2).
const mostMessage = 2048

// message writes a notice: what it tells in its structured data, and once more in words. Where that is too long, values are cut, the last ones first.
func message(host string, n *store.Notice) string {
	severity := sevNote
	switch {
	case n.Event == store.EventHeld:
		severity = sevWarn
	case !n.Since.IsZero() && !n.Over:
		severity = sevError
	}
	var b strings.Builder
	// The enterprise number is that of examples (RFC 5612): there is none of ours.
	fmt.Fprintf(&b, "<%d>1 %s %s activedefense %d %s [activedefense@32473", facility*8+severity, n.Time.UTC().Format("2006-01-02T15:04:05.000000Z"), host, os.Getpid(), header(n.Event, 32))
	words := "] " + subject(n)
	for _, p := range []fact{{"id", n.ID}, {"event", n.Event}, {"address", n.Address}, {"rule", n.Rule}, {"grade", n.Grade}, {"by", n.By}, {"device", n.Device}, {"country", n.Country},
		{"hits", strconv.FormatInt(n.Hits, 10)}, {"reason", why(n)}} {
		room := mostMessage - b.Len() - len(words) - len(` ="" `) - len(p.Name)
		if value := parameter(clip(display.Harmless(p.Value), 500), room); value != "" && value != "0" {
			fmt.Fprintf(&b, ` %s="%s"`, p.Name, value)
		}
	}
	return b.String() + words
}

// parameter escapes a value of structured data (RFC 5424, 6.3.3), as far as there is room for it in bytes.
func parameter(s string, room int) string {
	var b strings.Builder
	for _, r := range s {
		if b.Len()+utf8.RuneLen(r)+1 > room {
			break
		}
		if strings.ContainsRune(`\"]`, r) {
			b.WriteByte('\\')
		}
		b.WriteRune(r)
	}
	return b.String()
}

// header makes a text one word of printable ASCII, as the fields of the header are.
func header(s string, most int) string {
	s = strings.Map(func(r rune) rune {
		if r <= ' ' || r > '~' {
			return -1
		}
		return r
	}, s)
	if s == "" {
		return "-"
	}
	return s[:min(len(s), most)]
}
