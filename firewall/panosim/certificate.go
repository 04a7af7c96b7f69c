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

// certificate is an authority made for one instance, and the certificate it signed for the local machine.
type certificate struct {
	authority []byte // PEM
	root      *x509.Certificate
	leaf      tls.Certificate
}

// certificateLife is long enough for a demonstration that nobody stops.
const certificateLife = 365 * 24 * time.Hour

// newCertificate makes both. now is the wall clock's time: the client that verifies them does not share our clock.
func newCertificate(now time.Time) (*certificate, error) {
	root := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Simulated firewall authority"},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(certificateLife),
		IsCA: true, BasicConstraintsValid: true, MaxPathLenZero: true, KeyUsage: x509.KeyUsageCertSign,
	}
	rootKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make the authority's key: %w", err)
	}
	rootDER, err := sign(root, root, rootKey, rootKey)
	if err != nil {
		return nil, err
	}
	leaf := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "localhost"},
		NotBefore: root.NotBefore, NotAfter: root.NotAfter,
		DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	leafKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make the firewall's key: %w", err)
	}
	leafDER, err := sign(leaf, root, leafKey, rootKey)
	if err != nil {
		return nil, err
	}
	parsed, err := x509.ParseCertificate(rootDER)
	if err != nil {
		return nil, fmt.Errorf("read the authority's certificate back: %w", err)
	}
	return &certificate{
		authority: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: rootDER}),
		root:      parsed,
		leaf:      tls.Certificate{Certificate: [][]byte{leafDER}, PrivateKey: leafKey},
	}, nil
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
