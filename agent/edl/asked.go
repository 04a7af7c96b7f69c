package edl

import (
	"cmp"
	"crypto/x509"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	// maxAsked bounds the clients of which it is known what they asked for in vain: while there are so many, those that come are
	// only counted, so that no stranger pushes out what a firewall asked for.
	maxAsked = 64
	// askedFor is how long a client is told of that does not ask again: twice the hour that a firewall may let pass.
	askedFor = 2 * time.Hour
	// maxName is longer than any host name; of what is longer, the beginning is kept.
	maxName = 255
	// mostNames bounds how many names of a certificate Status gives.
	mostNames = 20
)

// Asked is a client that asked for a name or an address for which the served certificate is not valid.
type Asked struct {
	Client netip.Addr `json:"client"`
	Name   string     `json:"name"`  // what it asked for last: harmless to print, with quotes where it is no host name
	First  time.Time  `json:"first"` // when it first did so since the certificate is served
	Last   time.Time  `json:"last"`
}

// askers remember who asked in vain, one name for each client. The zero value is ready.
type askers struct {
	mu    sync.Mutex
	known map[netip.Addr]*Asked
	left  map[netip.Addr]time.Time // who went without a word, and when last
	leaf  *x509.Certificate        // for which they asked: with another one it begins anew
}

// again notes that a client went without a word, and tells whether it has done so before: a scanner comes once.
func (a *askers) again(leaf *x509.Certificate, client netip.Addr, now time.Time) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.forget(leaf, now)
	_, before := a.left[client]
	if a.left == nil {
		a.left = make(map[netip.Addr]time.Time)
	}
	if before || len(a.left) < maxAsked {
		a.left[client] = now
	}
	return before
}

// note takes in what a client asked for, and the certificate lacks.
func (a *askers) note(leaf *x509.Certificate, client netip.Addr, name string, now time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.forget(leaf, now)
	one := a.known[client]
	if one == nil {
		if len(a.known) >= maxAsked {
			return
		}
		if a.known == nil {
			a.known = make(map[netip.Addr]*Asked)
		}
		one = &Asked{Client: client, First: now}
		a.known[client] = one
	}
	one.Name, one.Last = shownName(name), now
}

// list gives those that asked lately, the first to ask come first.
func (a *askers) list(leaf *x509.Certificate, now time.Time) (all []Asked) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.forget(leaf, now)
	for _, one := range a.known {
		all = append(all, *one)
	}
	slices.SortFunc(all, func(a, b Asked) int { return cmp.Or(a.First.Compare(b.First), a.Client.Compare(b.Client)) })
	return all
}

// forget drops what is over. It is called with mu held.
func (a *askers) forget(leaf *x509.Certificate, now time.Time) {
	if a.leaf != leaf {
		a.known, a.left, a.leaf = nil, nil, leaf
	}
	maps.DeleteFunc(a.left, func(_ netip.Addr, at time.Time) bool { return now.Sub(at) >= askedFor })
	for client, one := range a.known {
		if now.Sub(one.Last) >= askedFor {
			delete(a.known, client)
		}
	}
}

// shownName makes of what a stranger sent one that may be printed.
func shownName(s string) string {
	cut := ""
	if len(s) > maxName {
		s, cut = s[:maxName], "..."
	}
	odd := strings.ContainsFunc(s, func(r rune) bool {
		return !strings.ContainsRune("-._:*", r) && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
	})
	if odd || s == "" {
		s = strconv.QuoteToASCII(s)
	}
	return s + cut
}

// misnamed notes that a client asked for what the certificate lacks, and tells the operator: one that checks it will not accept
// the list, and not every one says so.
func (s *Server) misnamed(leaf *x509.Certificate, client netip.Addr, name string) {
	s.gate.misnamed.Add(1)
	s.gate.asked.note(leaf, client, name, s.now())
	if s.gate.misnamedLog.first(client, s.now()) {
		s.log.Warn().Stringer("client", client).Str("name", shownName(name)).
			Msg("a client requests a name that the list's certificate does not contain; if it is a firewall, it does not enforce the list")
	}
}

// checkHost is for a request, which comes from a client that has accepted the certificate: one day it may check the name.
func (s *Server) checkHost(r *http.Request) {
	host := r.Host
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.Trim(host, "[]")
	current := s.certs.current.Load()
	switch {
	case host == "", current == nil, current.Leaf.VerifyHostname(host) == nil:
	case r.TLS != nil && r.TLS.ServerName == host: // which checkName has seen
	default:
		s.misnamed(current.Leaf, clientOf(r.RemoteAddr), host)
	}
}

// unnamed remembers at which of our addresses clients asked that named no host, as those do that were given an address. It
// holds connections that are open, and so never more than there may be. The zero value is ready.
type unnamed struct {
	mu sync.Mutex
	at map[string]netip.Addr // by the other end, as net/http writes it
}

func (u *unnamed) add(c net.Conn) {
	local, ok := c.LocalAddr().(*net.TCPAddr)
	if !ok {
		return
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.at == nil {
		u.at = make(map[string]netip.Addr)
	}
	u.at[c.RemoteAddr().String()] = plain(local.AddrPort().Addr())
}

func (u *unnamed) remove(remote string) (at netip.Addr, was bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	at, was = u.at[remote]
	delete(u.at, remote)
	return at, was
}

// checkAddress is for a client that named no host and did not accept the certificate: it may have been given the address at which
// it came, unless one that the firewalls use is known and stands in the certificate. It said so, or went after the handshake
// without a request, as curl does (seen with 7.88), and scanners and monitors do: that tells something only while no name that the
// firewalls use is known to be in the certificate.
func (s *Server) checkAddress(remote string, said bool) {
	at, was := s.gate.unnamed.remove(remote)
	current := s.certs.current.Load()
	if !was || current == nil || current.Leaf.VerifyHostname(at.String()) == nil {
		return
	}
	for _, host := range s.opts.Hosts {
		_, err := netip.ParseAddr(host)
		if (err == nil || !said) && current.Leaf.VerifyHostname(host) == nil {
			return
		}
	}
	if client := clientOf(remote); said || s.gate.asked.again(current.Leaf, client, s.now()) {
		s.misnamed(current.Leaf, client, at.String())
	}
}

// certStatus says what the certificate is good for.
func (s *Server) certStatus(st *Status) {
	st.CertNames, st.Asked = []string{}, []Asked{}
	st.CertNotBefore, st.CertNotAfter, st.CertError = s.certs.state()
	now, current := s.now(), s.certs.current.Load()
	if err := validAt(current, now); err != nil {
		st.CertInvalid = err.Error()
	}
	if current == nil {
		return
	}
	held := namesOf(current.Leaf)
	st.CertNames = append(st.CertNames, held.hosts...)
	for _, a := range held.addrs {
		st.CertNames = append(st.CertNames, a.String())
	}
	for _, host := range s.opts.Hosts {
		if current.Leaf.VerifyHostname(host) != nil {
			st.CertLacks = host
		}
	}
	if len(st.CertNames) > mostNames {
		st.CertNames = st.CertNames[:mostNames:mostNames]
	}
	st.Asked = append(st.Asked, s.gate.asked.list(current.Leaf, now)...)
}
