package panosim

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"testing"
	"time"
)

// issued is a certificate with its key.
type issued struct {
	*x509.Certificate
	key *ecdsa.PrivateKey
}

// issue makes a certificate signed by another one; nil: by itself.
func issue(t *testing.T, name string, isCA bool, by *issued) *issued {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: isCA, BasicConstraintsValid: true, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	if by == nil {
		by = &issued{template, key}
	}
	der, err := sign(template, by.Certificate, key, by.key)
	if err != nil {
		t.Fatal(err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &issued{c, key}
}

func (c *issued) pem() string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw}))
}

func TestAProfileMustHoldTheRoot(t *testing.T) {
	root := issue(t, "root", true, nil)
	middle := issue(t, "middle", true, root)
	leaf := issue(t, "leaf", false, middle)
	alone := issue(t, "alone", false, nil)
	for _, c := range []struct {
		what    string
		sent    []*issued
		profile string
		stopped bool
	}{
		{"root, and the chain is sent", []*issued{leaf, middle}, root.pem(), false},
		{"root, and the chain is not sent", []*issued{leaf}, root.pem(), true},
		{"both, and the chain is not sent", []*issued{leaf}, root.pem() + middle.pem(), false},
		{"intermediate alone", []*issued{leaf, middle}, middle.pem(), true},
		{"the server's own", []*issued{leaf, middle}, leaf.pem(), true},
		{"root and the server's own", []*issued{leaf}, root.pem() + leaf.pem(), true},
		{"one that signed itself", []*issued{alone}, alone.pem(), false},
		{"no certificate", []*issued{leaf, middle}, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", true},
	} {
		l := newListServer(t, time.Time{})
		l.authority = c.profile
		shown := tls.Certificate{PrivateKey: c.sent[0].key}
		for _, s := range c.sent {
			shown.Certificate = append(shown.Certificate, s.Raw)
		}
		l.TLS.Certificates[0] = shown
		l.set(200, "192.0.2.1\n")
		if st := state(t, listSim(t, l, Options{}), "bl"); st.Stopped != c.stopped || (st.Entries == 1) == c.stopped {
			t.Errorf("%s: %+v", c.what, st)
		}
	}
}
