package traffic

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"time"

	"activedefense/firewall/panosim/dialect"
	"activedefense/firewall/panosim/xmltree"
)

// ProfileRoots gives the authorities of a certificate profile: none if it names none, or none that is there. nil:
// there is no profile.
func (c Scope) ProfileRoots(name string, now time.Time) *x509.CertPool {
	if name == "" || name == "None" {
		return nil
	}
	var texts []string
	for _, ca := range c.find(name, "certificate-profile").Child("CA").Entries() {
		texts = append(texts, c.find(ca.ID(), "certificate").Value("public-key"))
	}
	return trusted(texts, now)
}

// Imported gives every certificate of the configuration as a trusted authority.
func Imported(config *xmltree.Element, now time.Time) *x509.CertPool {
	places := []*xmltree.Element{config.Child("shared")}
	places = append(places, config.Down("devices", "entry="+dialect.Localhost, "vsys").Entries()...)
	var texts []string
	for _, place := range places {
		for _, e := range place.Child("certificate").Entries() {
			texts = append(texts, e.Value("public-key"))
		}
	}
	return trusted(texts, now)
}

// trusted gives the authorities among certificates in PEM that can be the end of a chain: those that signed themselves,
// and those that lead to one of them. An intermediate one alone is not enough ("the profile must hold the root"), though
// Go would take it.
func trusted(texts []string, now time.Time) *x509.CertPool {
	roots, others := x509.NewCertPool(), x509.NewCertPool()
	var below []*x509.Certificate
	for _, text := range texts {
		for _, c := range certificates(text) {
			if bytes.Equal(c.RawSubject, c.RawIssuer) {
				roots.AddCert(c)
				continue
			}
			others.AddCert(c)
			below = append(below, c)
		}
	}
	out := roots.Clone()
	for _, c := range below {
		if _, err := c.Verify(x509.VerifyOptions{
			Roots: roots, Intermediates: others, CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny},
		}); err == nil && c.IsCA {
			out.AddCert(c)
		}
	}
	return out
}

// certificates reads those in PEM; what is none is passed over.
func certificates(text string) []*x509.Certificate {
	var out []*x509.Certificate
	for block, rest := pem.Decode([]byte(text)); block != nil; block, rest = pem.Decode(rest) {
		if c, err := x509.ParseCertificate(block.Bytes); err == nil {
			out = append(out, c)
		}
	}
	return out
}
