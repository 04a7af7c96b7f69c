package edl

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"time"

	"github.com/rs/zerolog"

	"activedefense/agent/durable"
)

// ownSource makes certificates with the own CA. Key and certificate share one file, so that a crash cannot part them; and
// if the file is lost or unusable, a new certificate does no harm: firewalls know the CA.
type ownSource struct {
	ca         *authority
	file       string
	configured names
	machine    func() names
	looked     time.Time // when machine was last asked
	log        zerolog.Logger
}

const (
	leafLife = 90 * 24 * time.Hour
	// A machine gets a new address now and then; looking for it costs system calls and perhaps a DNS query. Until it is found
	// firewalls that use the address find it missing in the certificate.
	lookEvery = time.Minute
)

// errAuthorityNotValid: the CA ended, or the clock is wrong. Both may pass while we run.
var errAuthorityNotValid = errors.New("the built-in CA is not valid now")

func (s *Server) certificateSource(machine func() names) (certificateSource, error) {
	o := &s.opts
	if o.CertFile != "" {
		return &fileSource{certFile: o.CertFile, keyFile: o.KeyFile, log: o.Logger}, nil
	}
	configured, err := configuredNames(o)
	if err != nil {
		return nil, err
	}
	ca, err := openAuthority(o.StateDir, o.Now(), o.Logger)
	if err != nil {
		return nil, err
	}
	s.caFile, s.caEnds = filepath.Join(o.StateDir, CAFile), ca.cert.NotAfter
	return &ownSource{ca: ca, file: filepath.Join(o.StateDir, CertificateFile), configured: configured, machine: machine, log: o.Logger}, nil
}

func (o *ownSource) next(now time.Time, old *tls.Certificate) (*tls.Certificate, error) {
	if old == nil {
		old = o.read()
	}
	fresh := old != nil && validAt(old, now) == nil && !o.aged(old.Leaf, now)
	if fresh && now.Sub(o.looked) < lookEvery && !now.Before(o.looked) {
		return old, nil
	}
	wanted := o.wanted()
	o.looked = now
	if fresh {
		if has := namesOf(old.Leaf); has.covers(wanted) {
			return old, nil
		}
	}
	// What the old certificate was valid for stays: at boot an address may not be there yet, or the name service not
	// answer, and a firewall that finds the name in its URL missing stops enforcing. To forget a name, remove the file.
	if old != nil {
		wanted.add(namesOf(old.Leaf))
	}
	return o.issue(now, wanted)
}

func (o *ownSource) wanted() names {
	var n names
	n.add(o.configured)
	n.add(o.machine())
	return n
}

// aged: a third of its life or less remains. One that ends with the CA cannot be followed by a longer one.
func (o *ownSource) aged(leaf *x509.Certificate, now time.Time) bool {
	life := leaf.NotAfter.Sub(leaf.NotBefore)
	return leaf.NotAfter.Before(o.ca.cert.NotAfter) && leaf.NotAfter.Sub(now) <= life/3
}

// read gives the certificate of the last run; nil if there is none that this CA made.
func (o *ownSource) read() *tls.Certificate {
	b, err := durable.Read(o.file)
	if err != nil {
		if !errors.Is(err, fs.ErrNotExist) {
			o.log.Warn().Err(err).Msg("the list's certificate cannot be read; creating a new one")
		}
		return nil
	}
	pair, err := tls.X509KeyPair(b, b)
	if err == nil {
		err = pair.Leaf.CheckSignatureFrom(o.ca.cert)
	}
	if err != nil {
		o.log.Warn().Err(err).Str("file", o.file).Msg("the list's certificate cannot be used; creating a new one")
		return nil
	}
	return &pair
}

// issue makes a certificate and keeps it. If it cannot be kept it is served all the same, and the next start makes another.
func (o *ownSource) issue(now time.Time, n names) (*tls.Certificate, error) {
	if err := validAt(&tls.Certificate{Leaf: o.ca.cert}, now); err != nil {
		return nil, fmt.Errorf("%w: %w; unless this host's clock is wrong, delete ca.crt and ca.key in %s and restart; then a new CA is created, which the firewalls must import",
			errAuthorityNotValid, err, filepath.Dir(o.file))
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("create a key: %w", err)
	}
	der, err := x509.CreateCertificate(rand.Reader, o.template(now, n), o.ca.cert, key.Public(), o.ca.key)
	if err != nil {
		return nil, fmt.Errorf("create a certificate: %w", err)
	}
	private, err := keyPEM(key)
	if err != nil {
		return nil, fmt.Errorf("create a certificate: %w", err)
	}
	b := append(private, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})...)
	pair, err := tls.X509KeyPair(b, b)
	if err != nil {
		return nil, fmt.Errorf("create a certificate: %w", err)
	}
	if err := durable.Write(o.file, b, 0o600, (*os.File).Sync); err != nil {
		o.log.Warn().Err(err).Msg("the list's new certificate cannot be saved; it is used until the next start")
	}
	return &pair, nil
}

func (o *ownSource) template(now time.Time, n names) *x509.Certificate {
	t := &x509.Certificate{
		// The name that counts is among the alternative ones; this one is for people. It has at most 64 letters.
		Subject:     pkix.Name{Organization: []string{"Active Defense"}, CommonName: "Active Defense list"},
		NotBefore:   later(now.Add(-backdate), o.ca.cert.NotBefore),
		NotAfter:    now.Add(leafLife),
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		DNSNames:    n.hosts,

		BasicConstraintsValid: true,
	}
	if end := o.ca.cert.NotAfter; t.NotAfter.After(end) {
		t.NotAfter = end
	}
	for _, a := range n.addrs {
		t.IPAddresses = append(t.IPAddresses, net.IP(a.AsSlice()))
	}
	return t
}

func later(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}

func namesOf(leaf *x509.Certificate) (n names) {
	n.hosts = leaf.DNSNames
	for _, ip := range leaf.IPAddresses {
		if a, ok := netip.AddrFromSlice(ip); ok {
			n.addrs = append(n.addrs, a.Unmap())
		}
	}
	return n
}
