package edl

import (
	"crypto/tls"
	"crypto/x509"
	"log"
	"net"
	"net/http"
	"net/netip"
	"strings"
)

func (s *Server) httpServer() *http.Server {
	server := &http.Server{
		Handler:           s,
		ReadHeaderTimeout: s.limits.header, // bounds the TLS handshake too
		ReadTimeout:       s.limits.read,
		WriteTimeout:      s.limits.write,
		IdleTimeout:       s.limits.idle,
		MaxHeaderBytes:    s.limits.headerBytes,
		ErrorLog:          log.New(&errorLog{server: s}, "", 0),
		Protocols:         new(http.Protocols),
	}
	// HTTP/2 would bring many requests on one connection; a firewall makes one every five minutes. Without it, and without
	// keeping connections for a second request, the number of connections bounds the work and the memory.
	server.Protocols.SetHTTP1(true)
	server.SetKeepAlivesEnabled(false)
	return server
}

func (s *Server) tlsListener() net.Listener {
	return tls.NewListener(s.newGate(), &tls.Config{
		MinVersion: tls.VersionTLS12,
		NextProtos: []string{"http/1.1"},
		GetCertificate: func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
			c, err := s.certs.usable(s.now())
			if err == nil {
				s.checkName(hello, c.Leaf)
			}
			return c, err
		},
	})
}

// Certificate is that of the list, for what else is served with it; an error where none is valid now.
func (s *Server) Certificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	return s.certs.usable(s.now())
}

// checkName tells the operator when a client asks for a name that the certificate does not have. Clients that use an address ask
// for no name.
func (s *Server) checkName(hello *tls.ClientHelloInfo, leaf *x509.Certificate) {
	switch {
	case hello.ServerName == "":
		s.gate.unnamed.add(hello.Conn)
	case leaf.VerifyHostname(hello.ServerName) != nil:
		s.misnamed(leaf, peer(hello.Conn), hello.ServerName)
	}
}

// ServeHTTP answers with the list, or says that there is none. It never answers 401 or 403: a firewall takes these for a
// failed login and stops enforcing.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.gate.unnamed.remove(r.RemoteAddr) // it has accepted the certificate
	h := w.Header()
	list := s.list()
	switch {
	case r.URL.Path != s.opts.Path:
		refuse(w, http.StatusNotFound)
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		h.Set("Allow", "GET, HEAD")
		refuse(w, http.StatusMethodNotAllowed)
	case list == nil:
		s.unready.Add(1)
		h.Set("Retry-After", "10")
		refuse(w, http.StatusServiceUnavailable)
	default:
		s.answer(w, r, list)
	}
}

// refuse sends a status without a body, which no firewall can take for a list.
func refuse(w http.ResponseWriter, status int) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Content-Length", "0")
	w.WriteHeader(status)
}

// answer serves one snapshot. A Range header is ignored, as HTTP allows: a part of the list is a shrunk list.
func (s *Server) answer(w http.ResponseWriter, r *http.Request, list *snapshot) {
	h := w.Header()
	for key, value := range list.header {
		h[key] = value // shared by all answers: net/http reads these and does not change them
	}
	same := list.current(r)
	if same {
		h.Del("Content-Length")
		h.Del("Content-Type")
		w.WriteHeader(http.StatusNotModified)
	}
	if r.Method == http.MethodHead {
		return // net/http sends the header
	}
	if !same {
		if _, err := w.Write(list.body); err != nil {
			return // the client went away or was too slow: no fetch
		}
	}
	s.checkHost(r)
	s.clients.fetched(clientOf(r.RemoteAddr), s.now(), same)
}

// current tells whether the client's copy is this one, after RFC 9110, section 13.2.2: If-Modified-Since counts only without
// If-None-Match. It may tell too rarely, which costs a transfer; it must not tell wrongly, which would leave an attacker in.
// So a date tells something only if it is the one that we gave, and gave to no other content: a later one, which the RFC lets
// pass, is from the client's clock, and its copy may be older than this list.
func (l *snapshot) current(r *http.Request) bool {
	if tags := r.Header.Values("If-None-Match"); len(tags) > 0 {
		for tag := range strings.SplitSeq(strings.Join(tags, ","), ",") {
			tag = strings.TrimPrefix(strings.TrimSpace(tag), "W/")
			if tag == "*" || tag == l.etag {
				return true
			}
		}
		return false
	}
	since, err := http.ParseTime(r.Header.Get("If-Modified-Since"))
	return err == nil && l.exact && since.Equal(l.modified)
}

// clientOf gives the address of a "host:port" as net/http writes it; the zero address if it is none.
func clientOf(remote string) netip.Addr {
	ap, err := netip.ParseAddrPort(remote)
	if err != nil {
		return netip.Addr{}
	}
	return plain(ap.Addr())
}

// plain makes one client have one address: an IPv4 client of an IPv6 socket is IPv4, and zones are dropped.
func plain(a netip.Addr) netip.Addr { return a.Unmap().WithZone("") }
