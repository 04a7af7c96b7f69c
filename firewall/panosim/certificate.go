package panosim

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"time"
)

// Certificate is which certificate the firewall shows.
type Certificate uint8

// The certificates; a client that verifies takes the first alone.
const (
	CertificateValid     Certificate = iota
	CertificateExpired               // signed by the firewall's authority, and ended an hour ago
	CertificateOtherName             // signed by the firewall's authority, for other names
	CertificateStranger              // for the firewall's names, signed by an authority that nobody knows
)

// SetCertificate changes what is shown from the next handshake on; connections that stand go on.
func (s *Sim) SetCertificate(which Certificate) error {
	leaf, err := s.cert.variant(which, time.Now())
	if err != nil {
		return fmt.Errorf("change the simulated firewall's certificate: %w", err)
	}
	s.shown.Store(leaf)
	return nil
}

// variant gives the certificate, made anew unless it is the valid one.
func (c *certificate) variant(which Certificate, now time.Time) (*tls.Certificate, error) {
	switch which {
	case CertificateExpired:
		return c.issue(c.names, now.Add(-48*time.Hour), now.Add(-time.Hour))
	case CertificateOtherName:
		return c.issue([]string{"other.example"}, now.Add(-time.Hour), now.Add(certificateLife))
	case CertificateStranger:
		other, err := newCertificate(now, c.names...)
		if err != nil {
			return nil, err
		}
		return other.leaf, nil
	}
	return c.leaf, nil
}

// certificate is an authority made for one instance, and the certificate it signed for the instance's names.
type certificate struct {
	authority []byte // PEM
	root      *x509.Certificate
	key       *ecdsa.PrivateKey // the authority's
	names     []string
	leaf      *tls.Certificate
}

// certificateLife is long enough for a demonstration that nobody stops.
const certificateLife = 365 * 24 * time.Hour

// newCertificate makes both; a name may be an IP address. now is the wall clock's time: the client that verifies
// them does not share the firewall's clock.
func newCertificate(now time.Time, names ...string) (*certificate, error) {
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Simulated firewall authority"},
		NotBefore: now.Add(-72 * time.Hour), NotAfter: now.Add(certificateLife),
		IsCA: true, BasicConstraintsValid: true, MaxPathLenZero: true, KeyUsage: x509.KeyUsageCertSign,
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make the authority's key: %w", err)
	}
	der, err := sign(template, template, key, key)
	if err != nil {
		return nil, err
	}
	root, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("read the authority's certificate back: %w", err)
	}
	c := &certificate{authority: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), root: root, key: key, names: names}
	c.leaf, err = c.issue(names, now.Add(-time.Hour), now.Add(certificateLife))
	return c, err
}

// issue signs a certificate for these names.
func (c *certificate) issue(names []string, from, to time.Time) (*tls.Certificate, error) {
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: names[0]}, NotBefore: from, NotAfter: to,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	for _, name := range names {
		if ip := net.ParseIP(name); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, name)
		}
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make the firewall's key: %w", err)
	}
	der, err := sign(template, c.root, key, c.key)
	if err != nil {
		return nil, err
	}
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, nil
}

// sign gives the certificate in DER.
func sign(what, by *x509.Certificate, key, signer *ecdsa.PrivateKey) ([]byte, error) {
	var public crypto.PublicKey = key.Public()
	der, err := x509.CreateCertificate(rand.Reader, what, by, public, signer)
	if err != nil {
		return nil, fmt.Errorf("sign the certificate of %s: %w", what.Subject.CommonName, err)
	}
	return der, nil
}

// pool gives the authority as the only trusted root.
func (c *certificate) pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(c.root)
	return pool
}
