package config

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io/fs"
	"os"
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

// cause is the reason without the path.
func cause(err error) error {
	var path *fs.PathError
	if errors.As(err, &path) {
		return path.Err
	}
	return err
}

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
		switch leaf := pair.Leaf; {
		case !s.l.now.Before(leaf.NotAfter):
			s.l.warn(s.at+certKey, "the certificate in %s ended at %s: it is shown to nobody, connections are closed, and firewalls go on with their last copies of the list; renew it", t.CertFile, leaf.NotAfter.UTC().Format(time.RFC3339))
		case s.l.now.Before(leaf.NotBefore):
			s.l.warn(s.at+certKey, "the certificate in %s is not valid before %s: until then it is shown to nobody, and connections are closed", t.CertFile, leaf.NotBefore.UTC().Format(time.RFC3339))
		}
	}
	return t
}
