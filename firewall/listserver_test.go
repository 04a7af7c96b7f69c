package firewall_test

import (
	"cmp"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"activedefense/firewall"
)

// listServer serves a list over TLS, or fails to.
type listServer struct {
	url       string
	authority []byte // PEM; verifies the certificate that is presented when all is well

	mu      sync.Mutex
	lines   string
	trouble trouble
}

// trouble is what is wrong with a list's server. Those below 100 are named here, the others are the HTTP status that it
// answers.
type trouble int

const (
	well        trouble = iota
	unreachable         // connections end before a word is said
	hanging             // no answer until the client goes away
	breaking            // the first half, and the end of the connection
	expired             // a certificate that has ended
	foreign             // a certificate of an authority that the firewall does not know
)

// troubles are all that a firewall may meet. Those with a certificate, 401 and 403 have it stop to enforce the list; over
// the others it keeps the copy that it has.
var troubles = []trouble{unreachable, hanging, breaking, expired, foreign,
	http.StatusMovedPermanently, http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound, http.StatusServiceUnavailable}

func newListServer(t *testing.T) *listServer {
	t.Helper()
	ours, theirs := newAuthority(t), newAuthority(t)
	s := &listServer{authority: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: ours.cert.Raw})}
	good, wrong := ours.server(t, time.Unix(1<<32, 0)), map[trouble]*tls.Config{
		expired: ours.server(t, time.Unix(1<<30, 0)),
		foreign: theirs.server(t, time.Unix(1<<32, 0)),
	}
	server := httptest.NewUnstartedServer(s)
	server.Listener = &cutListener{server.Listener, s}
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.TLS = &tls.Config{GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
		return cmp.Or(wrong[s.now()], good), nil
	}}
	server.StartTLS()
	t.Cleanup(server.Close)
	s.url = server.URL + "/files/blacklist.txt"
	return s
}

// authority signs certificates.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	a := authority{&x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: rand.Text()}, NotAfter: time.Unix(1<<33, 0), IsCA: true, BasicConstraintsValid: true,
	}, key}
	a.cert = a.sign(t, a.cert)
	return a
}

func (a authority) sign(t *testing.T, c *x509.Certificate) *x509.Certificate {
	t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, c, a.cert, &a.key.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	if c, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	return c
}

// server is one that presents a certificate which ends then.
func (a authority) server(t *testing.T, ends time.Time) *tls.Config {
	t.Helper()
	leaf := a.sign(t, &x509.Certificate{SerialNumber: big.NewInt(2), NotAfter: ends, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}})
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{leaf.Raw}, PrivateKey: a.key}}}
}

// cutListener ends connections at once while the server is unreachable.
type cutListener struct {
	net.Listener
	s *listServer
}

func (l *cutListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err == nil && l.s.now() == unreachable {
		_ = conn.Close()
	}
	return conn, err
}

func (s *listServer) now() trouble {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.trouble
}

// fail has the server be in trouble from now on, or well again.
func (s *listServer) fail(how trouble) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.trouble = how
}

// ServeHTTP serves the list.
func (s *listServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	lines, how := s.lines, s.trouble
	s.mu.Unlock()
	switch {
	case how >= 100:
		w.WriteHeader(int(how))
	case how == hanging:
		<-r.Context().Done()
		panic(http.ErrAbortHandler)
	case how == breaking:
		w.Header().Set("Content-Length", fmt.Sprint(len(lines)))
		lines = lines[:len(lines)/2]
	}
	_, _ = io.WriteString(w, lines)
}

// publish serves what is desired.
func (s *listServer) publish(desired []firewall.Entry) {
	var b strings.Builder
	for _, e := range desired {
		b.WriteString(e.Prefix.String() + "\n")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lines = b.String()
}

// serve publishes addresses, and gives them as they are desired.
func (s *listServer) serve(addresses ...string) []firewall.Entry {
	var out []firewall.Entry
	for _, a := range addresses {
		out = append(out, firewall.Entry{Prefix: netip.MustParsePrefix(a)})
	}
	s.publish(out)
	return out
}

// config is a configuration whose first virtual system fetches the list under that name and drops what is on it, and lets
// everything else in. More objects can be added to it.
func (s *listServer) config(name, objects string) string {
	const any = `<from><member>any</member></from><to><member>any</member></to><destination><member>any</member></destination>` +
		`<application><member>any</member></application><service><member>any</member></service>`
	return `<config version="10.2.0"><shared><certificate><entry name="ca"><public-key>` + string(s.authority) + `</public-key></entry></certificate>` +
		`<certificate-profile><entry name="cp"><CA><entry name="ca"/></CA></entry></certificate-profile></shared>` +
		`<devices><entry name="localhost.localdomain"><vsys><entry name="vsys1">` + objects +
		`<external-list><entry name="` + name + `"><type><ip><url>` + s.url + `</url><certificate-profile>cp</certificate-profile>` +
		`<recurring><five-minute/></recurring></ip></type></entry></external-list>` +
		`<rulebase><security><rules>` +
		`<entry name="block">` + any + `<source><member>` + name + `</member></source><action>drop</action></entry>` +
		`<entry name="let in">` + any + `<source><member>any</member></source><action>allow</action></entry>` +
		`</rules></security></rulebase></entry></vsys></entry></devices></config>`
}
