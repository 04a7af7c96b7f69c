package config

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// mostBytes is far more than a key or a bundle of certificates takes: what is larger was named by
// mistake and is not read.
const mostBytes = 1 << 20

// file reads the file that a key names; nil after a fault, and where none is to be read.
func (s section) file(key string) []byte {
	if s.l.withoutFiles {
		return nil
	}
	return s.read(key)
}

// read is file for what every command needs.
func (s section) read(key string) []byte {
	path := s.text(key)
	info, err := os.Stat(path)
	switch {
	case err != nil:
		s.fault(key, "cannot be read%s: %v", shownPath(path), cause(err))
		return nil
	case !info.Mode().IsRegular():
		s.fault(key, "%q is not a regular file", clip(path))
		return nil
	case info.Size() > mostBytes:
		s.fault(key, "%q has %d bytes, which is too large", clip(path), info.Size())
		return nil
	}
	content, err := os.ReadFile(path)
	if err != nil {
		s.fault(key, "cannot be read%s: %v", shownPath(path), cause(err))
		return nil
	}
	if strings.TrimSpace(string(content)) == "" {
		s.fault(key, "%q is empty", clip(path))
		return nil
	}
	if !filepath.IsAbs(path) {
		s.l.warn(s.at+key, "%q depends on the working directory; started in another one, the daemon would not find it", clip(path))
	}
	return content
}

// privateFile is file for what others must not read.
func (s section) privateFile(key string) []byte {
	content := s.file(key)
	warnReadable(s, key, content)
	return content
}

// warnReadable warns of a file with a secret that others can read.
func warnReadable(s section, key string, content []byte) {
	path := s.text(key)
	if info, err := os.Stat(path); err == nil && content != nil && info.Mode()&0o077 != 0 {
		s.l.warn(s.at+key, "users other than its owner can read it (mode %04o); give it to the daemon's user, then close it to others: chown activedefense %[2]s && chmod 0600 %[2]s", info.Mode().Perm(), path)
	}
}

// shownPath quotes a path, unless it does not look like one: whoever writes the key itself where its
// file's name belongs must not find it in a log.
func shownPath(path string) string {
	if strings.HasPrefix(path, "/") || strings.HasPrefix(path, "./") {
		return " (" + clip(path) + ")"
	}
	return ""
}

// cause is the reason without the path, which it keeps.
func cause(err error) error {
	if path, ok := errors.AsType[*fs.PathError](err); ok {
		return &unread{path.Path, path.Err}
	}
	return err
}

// unread is why a file cannot be read.
type unread struct {
	path string
	error
}

func (u *unread) Unwrap() error { return u.error }

// certificates reads a file of PEM certificates.
func (s section) certificates(key string) []byte {
	content := s.file(key)
	if content == nil {
		return nil
	}
	count := 0
	for rest := content; ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			continue
		}
		count++
		if _, err := x509.ParseCertificate(block.Bytes); err != nil {
			s.fault(key, "certificate %d in it is invalid: %v", count, err)
		}
	}
	if count == 0 {
		s.fault(key, "contains no PEM certificate (-----BEGIN CERTIFICATE-----)")
	}
	return content
}

// certificate reads the names of a certificate and its key, which must belong together.
func (s section) certificate(certKey, keyKey string) TLS {
	t := TLS{CertFile: s.text(certKey), KeyFile: s.text(keyKey)}
	switch {
	case t.CertFile == "" && t.KeyFile == "":
	case t.KeyFile == "":
		s.fault(keyKey, "is missing; cert_file requires it, or leave both empty for the built-in certificate")
	case t.CertFile == "":
		s.fault(certKey, "is missing; key_file requires it, or leave both empty for the built-in certificate")
	default:
		cert, private := s.certificates(certKey), s.privateFile(keyKey)
		if cert == nil || private == nil || s.l.faulted[s.at+certKey] {
			return t
		}
		pair, err := tls.X509KeyPair(cert, private)
		if err != nil {
			s.fault(keyKey, "cannot be used as the key of cert_file: %v", err)
			return t
		}
		warnCertificate(s, certKey, pair.Leaf)
	}
	return t
}

// warnCertificate says for what the list's certificate is of no use: a daemon goes on without it, and firewalls with the copies they have.
func warnCertificate(s section, key string, leaf *x509.Certificate) {
	switch {
	case !s.l.now.Before(leaf.NotAfter):
		s.l.warn(s.at+key, "ended at %s, so connections to the list are closed, and firewalls keep the copies that they have: renew it", leaf.NotAfter.Format(time.RFC3339))
	case s.l.now.Before(leaf.NotBefore):
		s.l.warn(s.at+key, "is not valid before %s, so connections to the list are closed until then: look whether this host's clock is right, or have another one issued", leaf.NotBefore.Format(time.RFC3339))
	}
	u, err := url.Parse(s.text("edl.url"))
	if err != nil || u.Hostname() == "" || leaf.VerifyHostname(u.Hostname()) == nil {
		return
	}
	names := slices.Clone(leaf.DNSNames)
	for _, ip := range leaf.IPAddresses {
		names = append(names, ip.String())
	}
	has := "it has no alternative name (SAN), and a common name does not count"
	if n := len(names); n > 0 {
		has = "its names are " + strings.Join(names[:min(n, mostNamed)], ", ")
		if n > mostNamed {
			has += fmt.Sprintf(" and %d more", n-mostNamed)
		}
	}
	s.l.warn(s.at+key, "lacks %s, the host of edl.url, so firewalls that check the name do not enforce the list; %s: have it issued anew with %[1]s among the alternative names, or set edl.url to one that it has", clip(u.Hostname()), has)
}

// mostNamed is how many names of a certificate a warning gives.
const mostNamed = 5
