package edl

import (
	"net/netip"
	"strings"
	"sync"
	"time"
)

// hourly lets one message pass for each address and hour, and none for further addresses while it knows too many: what
// strangers can cause must not fill the log. The zero value is ready.
type hourly struct {
	mu   sync.Mutex
	seen map[netip.Addr]time.Time
}

const maxHourly = 256

func (h *hourly) first(addr netip.Addr, now time.Time) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if at, ok := h.seen[addr]; ok && now.Sub(at) < time.Hour {
		return false
	}
	if len(h.seen) >= maxHourly {
		for a, at := range h.seen {
			if now.Sub(at) >= time.Hour {
				delete(h.seen, a)
			}
		}
		if len(h.seen) >= maxHourly {
			return false
		}
	}
	if h.seen == nil {
		h.seen = make(map[netip.Addr]time.Time)
	}
	h.seen[addr] = now
	return true
}

// errorLog takes what net/http has to say about connections: mostly scanners. It goes to the debug level, twenty lines a
// minute at most. One kind is for the operator: a client that does not accept our certificate is a firewall that
// does not enforce the list.
type errorLog struct {
	server *Server

	mu         sync.Mutex
	since      time.Time
	lines      int
	suppressed int
}

const errorLinesPerMinute = 20

func (e *errorLog) Write(p []byte) (int, error) {
	line := strings.TrimSpace(string(p))
	if from, why, ok := distrust(line); ok {
		e.distrusted(from, why)
	}
	suppressed, pass := e.pass(e.server.now())
	if pass {
		event := e.server.log.Debug().Str("line", line)
		if suppressed > 0 {
			event = event.Int("suppressed", suppressed)
		}
		event.Msg("a connection to the list server failed")
	}
	return len(p), nil
}

// pass also gives how many lines were suppressed since the last one that passed.
func (e *errorLog) pass(now time.Time) (suppressed int, ok bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if now.Sub(e.since) >= time.Minute || now.Before(e.since) {
		e.since, e.lines = now, 0
	}
	if e.lines++; e.lines > errorLinesPerMinute {
		e.suppressed++
		return 0, false
	}
	suppressed, e.suppressed = e.suppressed, 0
	return suppressed, true
}

func (e *errorLog) distrusted(from, why string) {
	s, client := e.server, clientOf(from)
	s.distrusted.Add(1)
	if !strings.Contains(why, "unknown certificate authority") { // the one fault that does not leave open which it is
		s.checkAddress(from, true)
	} else {
		s.gate.unnamed.remove(from)
	}
	if s.gate.distrustedLog.first(client, s.now()) {
		s.log.Warn().Stringer("client", client).Str("alert", why).Str("ca", s.caFile).
			Msg("a client does not seem to accept the list's certificate; if it is a firewall, it does not enforce the list: check its certificate profile")
	}
}

// distrust recognises the server's line about a client that rejects the certificate: "http: TLS handshake error from
// 192.0.2.1:4711: remote error: tls: unknown certificate authority". The texts are those of crypto/tls.
//
// A client with OpenSSL, as curl is one, sends this alert unencrypted also in TLS 1.3, where crypto/tls no longer
// takes it for one: it reports a record with a wrong checksum (seen with curl 7.88 on OpenSSL 3.0 and Go 1.26). In a handshake hardly
// anything else looks like that.
func distrust(line string) (from, alert string, ok bool) {
	rest, found := strings.CutPrefix(line, "http: TLS handshake error from ")
	if !found {
		return "", "", false
	}
	from, alert, found = strings.Cut(rest, ": remote error: tls: ")
	if found && strings.Contains(alert, "certificate") {
		return from, alert, true
	}
	if from, found = strings.CutSuffix(rest, ": local error: tls: bad record MAC"); found {
		return from, "an unreadable one", true
	}
	return "", "", false
}
